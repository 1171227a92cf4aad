package api

import (
	"slices"
	"strings"

	"github.com/skiffhq/skiff/core/api/strictjson"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// naming turns the name of a field of a function into the one that the caller
// of a route knows.
type naming func(field string) string

// asIs is the naming of routes that take functions as they are.
func asIs(field string) string { return field }

// judge ends the reading of a body that holds a patch of a function. Where
// faults were noted already, the values that could be read are judged all the
// same, so that the caller hears of everything at once; where none were,
// judging is the catalogue's.
func (s *Server) judge(faults *fault.Collector, p *function.Patch, over function.Function, name naming) error {
	err := misshapenBody(faults)
	if err == nil {
		return nil
	}
	noted := fault.Of(err).Details
	if misshapen(noted, strictjson.Body) {
		return err
	}
	var rules fault.Collector
	p.Apply(&over, s.opts.Runtimes, &rules)
	over.Check(s.opts.Runtimes, &rules)
	faults.AddAll(notOf(noted, renamed(rules.Err("judge"), name)))
	return misshapenBody(faults)
}

// renamed makes the details of a fault speak of the fields that the caller
// knows.
func renamed(err error, name naming) error {
	if !fault.Is(err, fault.Invalid) {
		return err
	}
	f := *fault.Of(err)
	f.Details = slices.Clone(f.Details)
	for i := range f.Details {
		f.Details[i].Field = name(f.Details[i].Field)
	}
	return &f
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
