package api

import (
	"bytes"
	"io"
	"net/http"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// The media types of code.
const (
	kindZip  = "application/zip"
	kindWasm = "application/wasm"
)

func versionPath(v *function.Version) string {
	return base + "/functions/" + v.FunctionName + "/versions/" + numberText(v.Number)
}

// numberText is a version as Lambda writes it: "6", or "$LATEST" for zero.
func numberText(n function.Number) string { return function.Qualifier{Version: n}.String() }

func (s *Server) versionShape(r *request, v *function.Version) wire.Version {
	out := wire.Version{
		FunctionName: v.FunctionName, Version: v.Number, VersionString: v.Number.String(),
		CodeSHA256: v.CodeSHA256, CodeSize: v.CodeSize, CodeLocation: versionPath(v) + "/code",
		Runtime: v.Runtime, Handler: v.Handler, MemorySize: v.MemoryMB, Timeout: int(v.Timeout.Seconds()),
		Description: v.Description, Status: v.Status, CreatedAt: v.CreatedAt, CreatedBy: v.CreatedBy,
	}
	if r.seesEnvironment() {
		out.Environment = v.Environment
	}
	out.InvocationCount, _ = s.invoker.VersionTotals(r.function, v.Number)
	return out
}

// listVersions answers GET /functions/{name}/versions, the newest first. The
// cursor is the number of the last version of the page before.
func (s *Server) listVersions(r *request) (response, error) {
	limit, err := r.number("limit", listLimit, 1, listLimit)
	if err != nil {
		return response{}, err
	}
	below, err := r.cursorVersion()
	if err != nil {
		return response{}, err
	}
	all, err := s.catalog.Versions(r.function.Name)
	if err != nil {
		return response{}, err
	}
	out := wire.Versions{FunctionName: r.function.Name, Versions: []wire.Version{}, Total: len(all)}
	for _, v := range all {
		switch {
		case below != 0 && v.Number >= below:
		case len(out.Versions) < limit:
			out.Versions = append(out.Versions, s.versionShape(r, v))
		default:
			out.NextCursor = numberText(out.Versions[limit-1].Version)
			return response{json: out}, nil
		}
	}
	return response{json: out}, nil
}

func (r *request) cursorVersion() (function.Number, error) {
	text := r.query("cursor")
	if text == "" {
		return 0, nil
	}
	n, err := function.ParseNumber(text)
	if err != nil {
		return 0, invalid("cursor", "must be the nextCursor of the page before")
	}
	return n, nil
}

// version finds the version that the path names. Faults: Invalid, NotFound.
func (s *Server) version(r *request) (*function.Version, error) {
	n, err := function.ParseNumber(r.param("version"))
	if err != nil {
		return nil, invalid("version", "must be the number of a version, such as 6 or v6")
	}
	return s.catalog.Version(r.function.Name, n)
}

// getVersion answers GET /functions/{name}/versions/{version}.
func (s *Server) getVersion(r *request) (response, error) {
	v, err := s.version(r)
	if err != nil {
		return response{}, err
	}
	return response{json: s.versionShape(r, v)}, nil
}

// deleteVersion answers DELETE /functions/{name}/versions/{version}.
func (s *Server) deleteVersion(r *request) (response, error) {
	v, err := s.version(r)
	if err != nil {
		return response{}, err
	}
	return response{}, s.catalog.DeleteVersion(r.ctx(), r.function.Name, v.Number)
}

// downloadCode answers GET /functions/{name}/versions/{version}/code.
func (s *Server) downloadCode(r *request) (response, error) {
	v, err := s.version(r)
	if err != nil {
		return response{}, err
	}
	code, size, err := s.opts.Code.Code(r.ctx(), v.CodeSHA256)
	if err != nil {
		return response{}, codeLost(v, err)
	}
	in, kind, err := sniff(code)
	if err != nil {
		code.Close()
		return response{}, fault.Wrap(err, fault.Internal, "read_code", "read the code of function %q, version %s", v.FunctionName, v.Number)
	}
	r.header("ETag", `"`+v.CodeSHA256+`"`)
	return r.download(response{status: http.StatusOK, stream: in, size: size, kind: kind})
}

// codeLost makes missing code a failure of ours: the version says it is there.
func codeLost(v *function.Version, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	return fault.Wrap(err, fault.Internal, fault.ReasonBadBundle, "read the code of function %q, version %s: it is missing", v.FunctionName, v.Number)
}

// sniff tells a module from an archive by its first bytes.
func sniff(code io.ReadCloser) (io.ReadCloser, string, error) {
	var magic [4]byte
	n, err := io.ReadFull(code, magic[:])
	if err != nil && n == 0 {
		return nil, "", err
	}
	kind := kindZip
	if string(magic[:n]) == "\x00asm" {
		kind = kindWasm
	}
	return rejoined{io.MultiReader(bytes.NewReader(magic[:n]), code), code}, kind, nil
}

// rejoined is a stream whose beginning was read already.
type rejoined struct {
	io.Reader
	io.Closer
}
