package api

import (
	"net/http"
	"strings"

	"github.com/skiffhq/skiff/core/api/strictjson"
	"github.com/skiffhq/skiff/core/catalog"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// seesEnvironment reports whether the caller is shown values of the
// environment. That the team is theirs was found before.
func (r *request) seesEnvironment() bool {
	return r.may(function.RoleAdmin, function.RoleDeveloper)
}

func (s *Server) functionShape(r *request, f *function.Function) wire.Function {
	out := wire.Function{
		Name: f.Name, Description: f.Description, Runtime: f.Runtime, Handler: f.Handler,
		MemorySize: f.MemoryMB, Timeout: int(f.Timeout.Seconds()), Tags: mapOf(f.Tags), Team: f.Team,
		AllowedRoles: listOf(f.AllowedRoles), Network: f.Network, Isolation: f.Isolation,
		InstanceConcurrency: f.InstanceConcurrency, ReservedConcurrency: f.ReservedConcurrency,
		Scaling: f.Scaling, Retry: f.Retry, DeadLetter: f.DeadLetter,
		PublishedVersion: f.PublishedVersion, OwnerID: f.OwnerID, CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt,
	}
	if r.seesEnvironment() {
		out.Environment = f.Environment
	}
	total, last := s.invoker.Totals(f)
	out.TotalInvocations, out.LastInvokedAt = total, timeOrNil(last)
	return out
}

// mapOf makes an empty map of none, which JSON would write as null.
func mapOf(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// answerFunction answers with a function and its ETag.
func (s *Server) answerFunction(r *request, status int, f *function.Function) (response, error) {
	r.header("ETag", etag(f.Revision))
	return response{status: status, json: s.functionShape(r, f)}, nil
}

const (
	defaultPage = 20
	maxPage     = 100
)

// listFunctions answers GET /functions.
func (s *Server) listFunctions(r *request) (response, error) {
	limit, errLimit := r.number("limit", defaultPage, 1, maxPage)
	offset, errOffset := r.number("offset", 0, 0, 1<<31-1)
	if err := both(errLimit, errOffset); err != nil {
		return response{}, err
	}
	page := s.catalog.Functions(catalog.Query{
		Runtime: r.query("runtime"), Tag: r.query("tag"), Prefix: r.query("prefix"),
		Limit: limit, Offset: offset, Cursor: r.query("cursor"), Visible: r.principal.Sees,
	})
	out := wire.Functions{
		Functions: make([]wire.Function, 0, len(page.Functions)),
		Total:     page.Total, Limit: limit, Offset: offset, NextCursor: page.NextCursor,
	}
	for _, f := range page.Functions {
		out.Functions = append(out.Functions, s.functionShape(r, f))
	}
	return response{json: out}, nil
}

// both joins two faults of a query into one.
func both(a, b error) error {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	var all fault.Collector
	all.AddAll(fault.Of(a).Details)
	all.AddAll(fault.Of(b).Details)
	return all.Err("read request: the query is not as it should be")
}

// createFunction answers POST /functions.
func (s *Server) createFunction(r *request) (response, error) {
	var in wire.CreateFunction
	var faults fault.Collector
	if err := r.decode(&in, &faults); err != nil {
		return response{}, err
	}
	blank := function.Default()
	blank.Name = in.Name
	if err := s.judge(&faults, &in.Patch, blank, asIs); err != nil {
		return response{}, err
	}
	r.target = "function/" + in.Name
	team := function.DefaultTeam
	if in.Team != nil {
		team = *in.Team
	}
	if err := r.mayGiveTo(team); err != nil {
		return response{}, err
	}
	f, err := s.catalog.Create(r.ctx(), r.principal.User, in.Name, &in.Patch)
	if err != nil {
		return response{}, err
	}
	r.header("Location", base+"/functions/"+f.Name)
	return s.answerFunction(r, http.StatusCreated, f)
}

// mayGiveTo refuses to put a function where its maker would lose sight of it.
func (r *request) mayGiveTo(team string) error {
	if r.principal.Sees(team) || !function.ValidName(team) {
		return nil // a malformed team is the catalogue's to refuse
	}
	return fault.New(fault.Denied, "team", "give a function to team %q: it is not one of yours", team).
		WithRemedy("say which of your teams it is for: %s", strings.Join(r.principal.Teams, ", "))
}

// getFunction answers GET /functions/{name}.
func (s *Server) getFunction(r *request) (response, error) {
	return s.answerFunction(r, http.StatusOK, r.function)
}

// updateFunction answers PUT /functions/{name}.
func (s *Server) updateFunction(r *request) (response, error) {
	var in function.Patch
	var faults fault.Collector
	if err := r.decode(&in, &faults); err != nil {
		return response{}, err
	}
	return s.change(r, &faults, &in, asIs)
}

// change changes the function as a patch says that was read with these faults.
func (s *Server) change(r *request, faults *fault.Collector, p *function.Patch, name naming) (response, error) {
	if err := s.judge(faults, p, *r.function, name); err != nil {
		return response{}, err
	}
	if p.Team != nil {
		if err := r.mayGiveTo(*p.Team); err != nil {
			return response{}, err
		}
	}
	ifMatch, err := r.ifMatch(r.function.Revision)
	if err != nil {
		return response{}, err
	}
	f, err := s.catalog.Update(r.ctx(), r.function.Name, ifMatch, p)
	if err != nil {
		return response{}, renamed(err, name)
	}
	return s.answerFunction(r, http.StatusOK, f)
}

// deleteFunction answers DELETE /functions/{name}.
func (s *Server) deleteFunction(r *request) (response, error) {
	force, err := r.flag("force")
	if err != nil {
		return response{}, err
	}
	if force {
		r.note("force", "true")
	}
	return response{}, s.catalog.Delete(r.ctx(), r.function.Name, force)
}

// putConcurrency answers PUT /functions/{name}/concurrency with the function.
func (s *Server) putConcurrency(r *request) (response, error) {
	var in wire.PutConcurrency
	var faults fault.Collector
	if err := r.decode(&in, &faults); err != nil {
		return response{}, err
	}
	p := &function.Patch{ReservedConcurrency: in.ReservedConcurrency, InstanceConcurrency: in.InstanceConcurrency}
	if in.PreProvisionedConcurrency != nil || in.KeepWarmEnabled != nil || in.KeepWarmInterval != nil {
		p.Scaling = &function.ScalingPatch{
			PreProvisionedConcurrency: in.PreProvisionedConcurrency,
			KeepWarmEnabled:           in.KeepWarmEnabled, KeepWarmInterval: in.KeepWarmInterval,
		}
	}
	return s.change(r, &faults, p, func(field string) string { return strings.TrimPrefix(field, "scaling.") })
}

// putEnvironment answers PUT /functions/{name}/environment with the function.
func (s *Server) putEnvironment(r *request) (response, error) {
	var in wire.PutEnvironment
	var faults fault.Collector
	if err := r.decode(&in, &faults); err != nil {
		return response{}, err
	}
	if in.Variables == nil && !faults.Has(strictjson.Body) && !faults.Has("variables") {
		faults.Add("variables", "must be given; {} removes every variable")
	}
	return s.change(r, &faults, &function.Patch{Environment: in.Variables}, func(field string) string {
		if rest, found := strings.CutPrefix(field, "environment"); found {
			return "variables" + rest
		}
		return field
	})
}
