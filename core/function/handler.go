package function

import (
	"path"
	"regexp"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
)

// DefaultWasmHandler runs main.wasm as a WASI command.
const DefaultWasmHandler = "main._start"

// maxHandler is the longest handler, in bytes.
const maxHandler = 128

var (
	fileExport   = regexp.MustCompile(`^[A-Za-z0-9_$@/.-]+\.[A-Za-z_$][A-Za-z0-9_$-]*$`)
	pythonModule = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$`)
	dotnetMethod = regexp.MustCompile(`^[\w.-]+::[A-Za-z_][\w.+]*::[A-Za-z_]\w*$`)
	handlerHelp  = map[Family]string{
		FamilyWasm:   `must be "file.export", such as "main.handle", or "main._start" for a WASI command`,
		FamilyNode:   `must be "file.export", such as "index.handler"`,
		FamilyPython: `must be "module.function", such as "app.handler"`,
		FamilyDotnet: `must be "Assembly::Namespace.Type::Method"`,
		FamilyCustom: "must be 1 to 128 printable characters without spaces at its ends",
	}
)

// Handler is a handler taken apart.
type Handler struct {
	File   string // file or module or assembly, without its ending
	Export string // what to call in it
}

// ParseHandler checks a handler by the rules of the family and takes it apart
// at its last dot (.NET: at its first "::"). A name that leaves the code's
// directory is refused, with an Invalid fault like everything that does not
// fit. An empty WebAssembly handler is DefaultWasmHandler; a family that is not
// known has the rules of FamilyCustom.
func ParseHandler(f Family, s string) (Handler, error) {
	if s == "" && f == FamilyWasm {
		s = DefaultWasmHandler
	}
	if len(s) > maxHandler || !handlerFits(f, s) {
		return Handler{}, fault.New(fault.Invalid, "bad_handler", "handler %.160q %s", s, helpWith(f))
	}
	switch f {
	case FamilyWasm, FamilyNode, FamilyPython:
		i := strings.LastIndexByte(s, '.')
		return Handler{File: s[:i], Export: s[i+1:]}, nil
	case FamilyDotnet:
		file, export, _ := strings.Cut(s, "::")
		return Handler{File: file, Export: export}, nil
	}
	return Handler{File: s}, nil
}

// helpWith says how a handler of the family is written.
func helpWith(f Family) string {
	if help, known := handlerHelp[f]; known {
		return help
	}
	return handlerHelp[FamilyCustom]
}

func handlerFits(f Family, s string) bool {
	switch f {
	case FamilyWasm, FamilyNode:
		return fileExport.MatchString(s) && inside(s[:strings.LastIndexByte(s, '.')])
	case FamilyPython:
		return pythonModule.MatchString(s)
	case FamilyDotnet:
		return dotnetMethod.MatchString(s)
	}
	return s != "" && s == strings.TrimSpace(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// inside reports whether a slash-separated name stays below its root and is
// written in its one shortest form.
func inside(name string) bool {
	return name != "." && !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "..") && path.Clean(name) == name
}
