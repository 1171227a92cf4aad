package api

import (
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/api/strictjson"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// patch reads a body that holds a patch of f. Where its shape is wrong, the
// values that could be read are judged all the same, so that the caller hears
// of everything at once; where it is right, judging is the catalogue's.
func (s *Server) patch(r *request, to any, p *function.Patch, f func() function.Function) error {
	data, err := r.bytes()
	if err != nil {
		return err
	}
	var faults fault.Collector
	strictjson.Decode(data, to, &faults)
	err = faults.Err("read request: the body is not as it should be")
	if err == nil {
		return nil
	}
	shape := fault.Of(err).Details
	if misshapen(shape, strictjson.Body) {
		return err
	}
	var rules fault.Collector
	over := f()
	p.Apply(&over, s.opts.Runtimes, &rules)
	over.Check(s.opts.Runtimes, &rules)
	faults.AddAll(notOf(shape, rules.Err("")))
	return faults.Err("read request: the body is not as it should be")
}

// notOf returns the details of err for fields whose shape was right: what is
// said of the others stems from their being left out.
func notOf(shape []fault.Detail, err error) []fault.Detail {
	if err == nil {
		return nil
	}
	return slices.DeleteFunc(fault.Of(err).Details, func(d fault.Detail) bool {
		return misshapen(shape, d.Field) || d.Field == "handler" && misshapen(shape, "runtime")
	})
}

// misshapen reports whether the shape of a field, of a part of it, or of what
// it is a part of is wrong.
func misshapen(shape []fault.Detail, field string) bool {
	return slices.ContainsFunc(shape, func(d fault.Detail) bool {
		return d.Field == field || strings.HasPrefix(d.Field, field+".") || strings.HasPrefix(field, d.Field+".")
	})
}
