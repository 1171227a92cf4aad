package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// aliasInput is wire.PutAlias as people write it: a version may be 6, "6" or
// "v6".
type aliasInput struct {
	AliasName     string         `json:"aliasName"`
	Version       anyVersion     `json:"version"`
	RoutingConfig map[string]int `json:"routingConfig"` // version → per cent
	Description   *string        `json:"description"`
}

// anyVersion is a version in any spelling, as text; empty where it is not
// given.
type anyVersion string

var errVersion = fault.New(fault.Invalid, "bad_version", `must be a version such as 6, "6" or "v6"`)

// UnmarshalJSON implements json.Unmarshaler.
func (v *anyVersion) UnmarshalJSON(b []byte) error {
	var text string
	var number function.Number
	switch {
	case string(b) == "null":
	case json.Unmarshal(b, &text) == nil:
		*v = anyVersion(text)
	case json.Unmarshal(b, &number) == nil && number > 0:
		*v = anyVersion(number.String())
	default:
		return errVersion
	}
	return nil
}

// spec reads an alias from the body.
func (r *request) spec() (name string, s function.AliasSpec, err error) {
	var in aliasInput
	if err := r.json(&in); err != nil {
		return "", s, err
	}
	var faults fault.Collector
	s.Description = in.Description
	if in.Version != "" {
		s.Version, err = function.ParseNumber(string(in.Version))
		faults.Check(err == nil, "version", "%s", errVersion.Message)
	}
	if in.RoutingConfig != nil {
		s.Routing = make(map[function.Number]int, len(in.RoutingConfig))
	}
	for text, share := range in.RoutingConfig {
		n, err := function.ParseNumber(text)
		_, twice := s.Routing[n]
		faults.Check(err == nil, "routingConfig", "the names must be versions, and %.20q is none", text)
		faults.Check(!twice, "routingConfig", "version %d is given twice", n)
		s.Routing[n] = share
	}
	return in.AliasName, s, faults.Err("read request: the alias is not as it should be")
}

// noteAlias notes where an alias was to point, as the request says it.
func (r *request) noteAlias(s function.AliasSpec) {
	if s.Version != 0 {
		r.note("version", s.Version.String())
	}
	if len(s.Routing) == 0 {
		return
	}
	var shares []string
	for _, n := range slices.Sorted(maps.Keys(s.Routing)) {
		shares = append(shares, fmt.Sprintf("%d=%d", n, s.Routing[n]))
	}
	r.note("routing", strings.Join(shares, ","))
}

func aliasShape(a *function.Alias) wire.Alias {
	return wire.Alias{
		FunctionName: a.FunctionName, AliasName: a.Name, Version: a.Version, RoutingConfig: a.Routing,
		Description: a.Description, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
}

func (r *request) answerAlias(status int, a *function.Alias) (response, error) {
	r.header("ETag", etag(a.Revision))
	return response{status: status, json: aliasShape(a)}, nil
}

// listAliases answers GET /functions/{name}/aliases.
func (s *Server) listAliases(r *request) (response, error) {
	limit, err := r.number("limit", listLimit, 1, listLimit)
	if err != nil {
		return response{}, err
	}
	all, err := s.catalog.Aliases(r.function.Name)
	if err != nil {
		return response{}, err
	}
	out := wire.Aliases{FunctionName: r.function.Name, Aliases: []wire.Alias{}, Total: len(all)}
	cursor := r.query("cursor")
	for _, a := range all {
		switch {
		case a.Name <= cursor && cursor != "":
		case len(out.Aliases) < limit:
			out.Aliases = append(out.Aliases, aliasShape(a))
		default:
			out.NextCursor = out.Aliases[limit-1].AliasName
			return response{json: out}, nil
		}
	}
	return response{json: out}, nil
}

// createAlias answers POST /functions/{name}/aliases.
func (s *Server) createAlias(r *request) (response, error) {
	name, spec, err := r.spec()
	if err != nil {
		return response{}, err
	}
	if name == "" {
		return response{}, invalid("aliasName", "must be given")
	}
	r.target = "function/" + r.function.Name + "/alias/" + name
	r.noteAlias(spec)
	a, err := s.catalog.CreateAlias(r.ctx(), r.function.Name, name, spec)
	if err != nil {
		return response{}, err
	}
	r.header("Location", base+"/functions/"+r.function.Name+"/aliases/"+a.Name)
	return r.answerAlias(http.StatusCreated, a)
}

// getAlias answers GET /functions/{name}/aliases/{alias}.
func (s *Server) getAlias(r *request) (response, error) {
	a, err := s.catalog.Alias(r.function.Name, r.param("alias"))
	if err != nil {
		return response{}, err
	}
	return r.answerAlias(http.StatusOK, a)
}

// updateAlias answers PUT /functions/{name}/aliases/{alias}.
func (s *Server) updateAlias(r *request) (response, error) {
	alias := r.param("alias")
	name, spec, err := r.spec()
	if err != nil {
		return response{}, err
	}
	if name != "" && name != alias {
		return response{}, invalid("aliasName", "must be that of the path, or left out: an alias is not renamed")
	}
	ifMatch, err := s.aliasMatch(r, alias)
	if err != nil {
		return response{}, err
	}
	r.noteAlias(spec)
	a, err := s.catalog.UpdateAlias(r.ctx(), r.function.Name, alias, ifMatch, spec)
	if err != nil {
		return response{}, err
	}
	return r.answerAlias(http.StatusOK, a)
}

// aliasMatch is ifMatch for an alias.
func (s *Server) aliasMatch(r *request, alias string) (*uint64, error) {
	a, err := s.catalog.Alias(r.function.Name, alias)
	if err != nil {
		return nil, err
	}
	return r.ifMatch(a.Revision)
}

// deleteAlias answers DELETE /functions/{name}/aliases/{alias}.
func (s *Server) deleteAlias(r *request) (response, error) {
	alias := r.param("alias")
	ifMatch, err := s.aliasMatch(r, alias)
	if err != nil {
		return response{}, err
	}
	return response{}, s.catalog.DeleteAlias(r.ctx(), r.function.Name, alias, ifMatch)
}
