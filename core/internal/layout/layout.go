// Package layout states which package may import which, and why; its test
// holds the tree to it. Nothing else belongs here.
package layout

// Module is the path that our own imports begin with.
const Module = "github.com/skiffhq/skiff/"

// Vocabulary may be imported by every package that is not itself part of it.
var Vocabulary = []string{"core/fault", "core/function"}

// Rule is what the packages below a path may import of ours, beside the
// vocabulary and themselves. A path in May covers what is below it.
type Rule struct {
	Path string
	May  []string
	Why  string
}

// Rules covers every package of ours. The most specific path wins.
var Rules = []Rule{
	{"cmd/skiff", []string{"core/client", "core/wire", "core/config", "core/telemetry", "core/node", "core/identity/adminsock"},
		"the program turns flags into settings or into calls of the client; what it does lives elsewhere"},

	{"core/fault", nil, "the vocabulary of errors knows nobody"},
	{"core/function", nil, "the vocabulary of functions knows errors alone"},
	{"core/wire", nil, "shapes only: the client must not pull the server in"},
	{"core/sandbox", nil, "the contract between those who run code and those who want it run knows neither"},
	{"core/sandbox/sandboxtest", []string{"core/sandbox", "core/memory"}, "one suite for every host must know none of them"},
	{"core/artifact", nil, "bundles are files; who uses them is the catalogue's knowledge"},
	{"core/memory", nil, "everybody charges here, so it knows nobody"},
	{"core/internal/table", nil, "a data structure"},
	{"core/internal/layout", nil, "rules only"},

	{"core/catalog", []string{"core/artifact", "core/internal/table"}, "rules over records, whatever keeps or serves them"},
	{"core/invoke", []string{"core/sandbox", "core/internal/table"}, "invocations come from more than one edge and run on more than one host"},
	{"core/pool", []string{"core/sandbox", "core/invoke", "core/memory", "core/internal/table"}, "instances are lent by the contract of sandbox, so that no host is special"},
	{"core/identity", nil, "who may call does not depend on what is called"},
	{"core/identity/adminsock", nil, "the socket serves whoever has two methods"},
	{"core/audit", nil, "a log of facts"},
	{"core/config", nil, "settings are read before anything exists that could obey them"},
	{"core/telemetry", nil, "everybody may be measured, so it knows nobody"},

	{"core/store", []string{"core/catalog", "core/identity", "core/audit", "core/invoke"}, "an adapter to the ports of the use cases; it must not meet the other adapters"},
	{"core/api", []string{"core/wire", "core/catalog", "core/identity", "core/audit", "core/invoke", "core/sandbox", "core/artifact"},
		"an adapter to the use cases; a container or a key of the store in a handler is the mistake to prevent"},
	{"core/client", []string{"core/wire"}, "a client that links the server is no client"},
	{"core/node", []string{"core", "wasmhost"}, "the one place that knows every part, to build and order them"},

	{"wasmhost", []string{"core/sandbox", "core/artifact", "core/memory"}, "an adapter; it meets neither containers nor the store"},
	{"bootstrap", nil, "what runs beside the user's code shares nothing with the server"},
	{"configs", nil, "files"},
	{"bench", []string{"core/client", "core/wire", "bootstrap/wasm/guests"}, "a black box: what it measures it must reach as a user does"},
}

// Ban keeps a library where it belongs.
type Ban struct {
	Library string   // prefix of an import path
	Only    []string // paths below which it may be imported
	Why     string
}

// Bans lists the libraries that only some may import.
var Bans = []Ban{
	{"github.com/tetratelabs/wazero", []string{"wasmhost"}, "the engine is a detail of one host"},
	{"github.com/containerd/", []string{"containerhost"}, "containers are a detail of one host"},
	{"github.com/dgraph-io/badger", []string{"core/store"}, "the database is a detail of the store"},
	{"github.com/valyala/fasthttp", []string{"core/api", "bench"}, "HTTP belongs to the edge"},
	{"github.com/fasthttp/", []string{"core/api"}, "HTTP belongs to the edge"},
	{"net/http", []string{"core/client", "core/telemetry", "core/identity", "core/node", "bench", "cmd/skiff", "core/api"}, "HTTP belongs to the edge"},
	{"github.com/prometheus/", []string{"core/telemetry"}, "who counts must not care for whom"},
	{"github.com/golang-jwt/", []string{"core/identity"}, "tokens have one judge"},
	{"github.com/spf13/", []string{"cmd", "bench/cmd"}, "flags belong to the program"},
	{"go.yaml.in/yaml", []string{"core/config", "cmd/skiff"}, "files of settings are read in one place"},
}

// NodeImporters may import core/node.
var NodeImporters = []string{"cmd/skiff"}
