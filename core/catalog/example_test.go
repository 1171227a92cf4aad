package catalog_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/function"
)

// emptyStore is a store without records that forgets what is written: enough
// to show how the catalogue is used, for that lives in memory.
type emptyStore struct{ last *function.Function }

func (s *emptyStore) View(_ context.Context, fn func(catalog.Reader) error) error {
	return fn(emptyTx{s})
}

func (s *emptyStore) Update(_ context.Context, fn func(catalog.Tx) error) error {
	return fn(emptyTx{s})
}

type emptyTx struct{ s *emptyStore }

func (tx emptyTx) Function(string) (*function.Function, error) {
	if tx.s.last == nil {
		return nil, nil
	}
	return tx.s.last.Clone(), nil
}

func (emptyTx) Version(string, function.Number) (*function.Version, error) { return nil, nil }
func (emptyTx) Alias(string, string) (*function.Alias, error)              { return nil, nil }
func (emptyTx) EachFunction(func(*function.Function) error) error          { return nil }
func (emptyTx) EachVersion(string, func(*function.Version) error) error    { return nil }
func (emptyTx) EachAlias(string, func(*function.Alias) error) error        { return nil }
func (tx emptyTx) PutFunction(f *function.Function) error                  { tx.s.last = f.Clone(); return nil }
func (tx emptyTx) DeleteFunction(string) error                             { tx.s.last = nil; return nil }
func (emptyTx) PutVersion(*function.Version) error                         { return nil }
func (emptyTx) DeleteVersion(string, function.Number) error                { return nil }
func (emptyTx) PutAlias(*function.Alias) error                             { return nil }
func (emptyTx) DeleteAlias(string, string) error                           { return nil }

func ExampleService() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "skiff")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	code := artifact.New(dir, artifact.Options{})
	if err := code.Start(ctx); err != nil {
		panic(err)
	}
	c := catalog.New(catalog.Options{Store: &emptyStore{}, Code: code})
	if err := c.Start(ctx); err != nil {
		panic(err)
	}
	defer func() { _ = c.Stop(ctx) }()

	runtime, memory := "wasm", 512
	_, err = c.Create(ctx, "ada", "hello", &function.Patch{Runtime: &runtime, MemoryMB: &memory})
	fmt.Println("create:", err)
	_, _, err = c.Resolve("hello", "")
	fmt.Println("resolve:", err)
	v, err := c.Publish(ctx, "ada", "hello", catalog.Publication{Code: strings.NewReader("\x00asm\x01\x00\x00\x00")})
	fmt.Println("publish:", v.Number, err)
	_, err = c.CreateAlias(ctx, "hello", "prod", function.AliasSpec{Version: 1})
	fmt.Println("alias:", err)
	_, unit, err := c.Resolve("hello", "prod")
	fmt.Println("resolve:", unit.Version, unit.MemoryMB, err)
	// Output:
	// create: <nil>
	// resolve: function "hello" has no code yet (publish a version: skiff deploy PATH --function hello)
	// publish: v1 <nil>
	// alias: <nil>
	// resolve: v1 512 <nil>
}
