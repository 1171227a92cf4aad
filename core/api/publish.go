package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/skiffhq/skiff/core/api/strictjson"
	"github.com/skiffhq/skiff/core/api/upload"
	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/wire"
)

// publish answers POST /functions/{name}/versions: raw code, or JSON with the
// code in base64.
func (s *Server) publish(r *request) (response, error) {
	kind, _, _ := strings.Cut(string(r.http.Request.Header.ContentType()), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case kindZip, kindWasm, "application/octet-stream", "application/x-zip-compressed":
		return s.publishRaw(r)
	case "", "application/json", "application/x-www-form-urlencoded": // the last is what curl says of anything
		return s.publishJSON(r)
	}
	return response{}, invalid("Content-Type", "must be application/zip, application/wasm or application/json")
}

// publishRaw hands the body on as it comes in.
func (s *Server) publishRaw(r *request) (response, error) {
	r.body.limit = min(r.body.limit, artifact.MaxPacked)
	if err := r.body.tooLarge(); err != nil {
		return response{}, err
	}
	return s.publishCode(r, catalog.Publication{Code: &r.body, Description: r.query("description")})
}

func (s *Server) publishCode(r *request, p catalog.Publication) (response, error) {
	p.Limit = artifact.MaxPacked
	v, err := s.catalog.Publish(r.ctx(), r.principal.User, r.function.Name, p)
	if err != nil {
		return response{}, err
	}
	r.note("version", v.Number.String())
	r.note("codeSha256", v.CodeSHA256)
	r.header("Location", versionPath(v))
	return response{status: http.StatusCreated, json: s.versionShape(r, v)}, nil
}

// publishJSON takes the code out of the body while it streams in, since the
// fields may come in any order and none may be used before all are right. Code
// that is too large for memory waits in a file.
func (s *Server) publishJSON(r *request) (response, error) {
	code := upload.NewSpool(s.opts.TempDir, artifact.MaxPacked)
	defer func() { _ = code.Close() }() // nothing of it is kept
	rest, err := upload.Split(&r.body, "code", code, maxJSON)
	if err != nil {
		return response{}, uploadFault(err)
	}
	var in wire.PublishVersion
	var faults fault.Collector
	strictjson.Decode(rest.JSON, &in, &faults)
	if err := rest.Problem; err != nil {
		faults.Add("code", "%s", err.Error())
	} else {
		faults.Check(rest.Found, "code", "must be given: the package in base64")
	}
	if err := faults.Err("read request: the body is not as it should be"); err != nil {
		return response{}, err
	}
	spooled, err := code.Reader()
	if err != nil {
		return response{}, uploadFault(err)
	}
	return s.publishCode(r, catalog.Publication{Code: spooled, Description: in.Description, Environment: in.Environment})
}

// uploadFault says what went wrong while a body was taken apart.
func uploadFault(err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, upload.ErrCodeTooLarge):
		return fault.New(fault.TooLarge, "code_too_large", "publish: the code package is over the limit of %d bytes", artifact.MaxPacked)
	case errors.Is(err, upload.ErrRestTooLarge):
		return fault.New(fault.TooLarge, "body_too_large", "publish: what comes beside the code is over the limit of %d bytes", maxJSON)
	}
	return fault.Wrap(err, fault.Exhausted, "upload_spool", "publish: the upload could not be kept until it was complete")
}
