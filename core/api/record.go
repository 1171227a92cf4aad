package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// record notes a change, or an attempt at one that was refused, in the audit
// log. Requests of nobody known and those over a rate limit are not noted:
// anybody could fill the log with them. A failing log has told of itself, and
// the change stands.
func (s *Server) record(r *request, err error) {
	if r.route.audit == "" || fault.Is(err, fault.Throttled) || r.principal == nil && r.actor == "" {
		return
	}
	e := audit.Entry{
		Actor: r.actor, Action: r.route.audit, Target: r.target, Result: "ok",
		Remote: r.http.RemoteAddr().String(), Details: r.notes,
	}
	if e.Actor == "" {
		e.Actor = r.principal.User
	}
	if e.Target == "" {
		e.Target = r.routeTarget()
	}
	if err != nil {
		e.Result = fault.ClassOf(err).String()
	}
	_ = s.opts.Audit.Record(r.context, e)
}

// routeTarget fills the parts of the path into the route's target.
func (r *request) routeTarget() string {
	var b strings.Builder
	for rest := r.route.target; rest != ""; {
		before, after, more := strings.Cut(rest, "{")
		b.WriteString(before)
		if !more {
			break
		}
		var name string
		name, rest, _ = strings.Cut(after, "}")
		b.WriteString(r.param(name))
	}
	return b.String()
}

// listAudit answers GET /audit.
func (s *Server) listAudit(r *request) (response, error) {
	q := audit.Query{Actor: r.query("actor"), Cursor: r.query("cursor")}
	var err error
	if q.Limit, err = r.number("limit", 50, 1, 500); err != nil {
		return response{}, err
	}
	if q.Since, err = s.since(r); err != nil {
		return response{}, err
	}
	entries, next, err := s.opts.Audit.List(r.ctx(), q)
	if err != nil {
		return response{}, err
	}
	out := wire.Audit{Entries: make([]wire.AuditEntry, 0, len(entries)), NextCursor: next}
	for _, e := range entries {
		out.Entries = append(out.Entries, wire.AuditEntry{
			ID: e.ID, Timestamp: e.Time, Actor: e.Actor, Action: e.Action,
			Target: e.Target, Result: e.Result, Remote: e.Remote, Details: e.Details,
		})
	}
	return response{json: out}, nil
}

// since reads a point in time, or a duration before now.
func (s *Server) since(r *request) (time.Time, error) {
	text := r.query("since")
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := function.ParseDuration(text)
	if err != nil {
		return time.Time{}, invalid("since", "must be a time such as 2026-01-31T12:00:00Z, or a duration such as PT1H")
	}
	return s.now().Add(-d), nil
}

// health answers that the process lives, which it does if it answers.
func (s *Server) health(*request) (response, error) {
	return response{json: wire.Health{Status: "ok", Version: s.opts.Version}}, nil
}

// readiness answers 503 until every component is ready.
func (s *Server) readiness(r *request) (response, error) {
	out := wire.Readiness{Ready: true, Components: []wire.Component{}}
	if s.opts.Ready != nil {
		out.Components = append(out.Components, s.opts.Ready()...)
	}
	for _, c := range out.Components {
		out.Ready = out.Ready && c.Ready
	}
	a := response{json: out}
	if !out.Ready {
		a.status = http.StatusServiceUnavailable
		r.header("Retry-After", "1")
	}
	return a, nil
}
