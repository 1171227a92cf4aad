package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/wire"
)

// functionFlags are the flags for a function's configuration. Maps of the
// patch hold what is to be added to those that are there.
type functionFlags struct {
	patch               function.Patch
	scaling             function.ScalingPatch
	retry               function.RetryPatch
	deadLetter          *string
	unsetEnv, unsetTags []string
	names               []string // of the flags
}

// bindCode adds the flags that skiff deploy has too.
func (f *functionFlags) bindCode(cmd *cobra.Command) {
	f.bind(cmd, func(fs *pflag.FlagSet) {
		optional(fs, &f.patch.Runtime, flag{"runtime", "RUNTIME", "wasm, or another that the appliance runs"}, parseText)
		optional(fs, &f.patch.Handler, flag{"handler", "HANDLER", "what is called: main._start or main.handle (wasm), index.handler (Node)"}, parseText)
		optional(fs, &f.patch.MemoryMB, flag{"memory", "MB", "memory of one instance in MiB, 128 to 4096 (wasm) or 10240, in steps of 64"}, parseMegabytes)
		optional(fs, &f.patch.Timeout, flag{"timeout", "SECONDS", "longest run of one invocation, 1 to 900"}, parseSeconds)
		pairs(fs, &f.patch.Environment, "env", "environment variable; may be repeated")
		optional(fs, &f.patch.Team, flag{"team", "TEAM", "team that it belongs to"}, parseText)
	})
	complete(cmd, "runtime", texts(function.NewCatalogue().Runtimes())...)
}

// bindAll adds every flag that sets something.
func (f *functionFlags) bindAll(cmd *cobra.Command) {
	f.bindCode(cmd)
	f.bind(cmd, f.bindRules)
	f.bind(cmd, f.bindScaling)
	f.bind(cmd, f.bindRetry)
	complete(cmd, "network", "none", "egress")
	complete(cmd, "isolation", "request", "instance")
	complete(cmd, "allow-role", texts(function.Roles())...)
}

func (f *functionFlags) bindRules(fs *pflag.FlagSet) {
	p := &f.patch
	optional(fs, &p.Description, flag{"description", "TEXT", "what it is for"}, parseText)
	pairs(fs, &p.Tags, "tag", "tag to find it by; may be repeated")
	fs.Var(&value{kind: "ROLE", set: func(s string) error { return allowRoles(&p.AllowedRoles, s) }},
		"allow-role", "role that may invoke it, instead of all; may be repeated; none lets all again")
	optional(fs, &p.Network, flag{"network", "NETWORK", "what a container reaches: none or egress; wasm reaches nothing"}, choice(function.NetworkNone, function.NetworkEgress))
	optional(fs, &p.Isolation, flag{"isolation", "ISOLATION", "fresh state for every request, or kept in the instance (wasm)"},
		choice(function.IsolationRequest, function.IsolationInstance))
	optional(fs, &p.InstanceConcurrency, flag{"instance-concurrency", "N", "invocations at once in one instance"}, parseInt)
	fs.Var(&value{kind: "N|none", set: func(s string) error { return setReserved(&p.ReservedConcurrency, s) }},
		"reserved-concurrency", "cap and share of the appliance's concurrency; none takes it away")
}

// allowRoles adds roles; "none" leaves an empty list, which is no restriction.
func allowRoles(to *[]function.Role, s string) error {
	if strings.EqualFold(s, "none") {
		*to = []function.Role{}
		return nil
	}
	parse := choice(function.Roles()...)
	for word := range strings.SplitSeq(s, ",") {
		role, err := parse(strings.TrimSpace(word))
		if err != nil {
			return err
		}
		*to = append(*to, role)
	}
	return nil
}

func setReserved(to *function.Nullable[int], s string) error {
	if strings.EqualFold(s, "none") {
		*to = function.Null[int]()
		return nil
	}
	n, err := parseInt(s)
	if err != nil {
		return errors.New("must be a whole number, or none")
	}
	*to = function.Some(n)
	return nil
}

func (f *functionFlags) bindScaling(fs *pflag.FlagSet) {
	s := &f.scaling
	optional(fs, &s.MinInstances, flag{"min-instances", "N", "instances that stay"}, parseInt)
	optional(fs, &s.MaxInstances, flag{"max-instances", "N", "most instances"}, parseInt)
	optional(fs, &s.TargetConcurrency, flag{"target-concurrency", "N", "invocations in one instance before another is started"}, parseInt)
	optional(fs, &s.ScaleUpCooldown, flag{"scale-up-cooldown", "DURATION", "pause after more instances"}, parseDuration)
	optional(fs, &s.ScaleDownCooldown, flag{"scale-down-cooldown", "DURATION", "pause before fewer instances"}, parseDuration)
	optional(fs, &s.PreProvisionedConcurrency, flag{"pre-provisioned", "N", "instances ready before anybody asks"}, parseInt)
	toggle(fs, &s.KeepWarmEnabled, "keep-warm", "keep an instance warm")
	optional(fs, &s.KeepWarmInterval, flag{"keep-warm-interval", "DURATION", "how often"}, parseDuration)
}

func (f *functionFlags) bindRetry(fs *pflag.FlagSet) {
	r := &f.retry
	optional(fs, &r.MaxAttempts, flag{"retry-attempts", "N", "most attempts of an asynchronous invocation"}, parseInt)
	optional(fs, &r.MinDelay, flag{"retry-min-delay", "DURATION", "shortest pause between two"}, parseDuration)
	optional(fs, &r.MaxDelay, flag{"retry-max-delay", "DURATION", "longest pause between two"}, parseDuration)
	optional(fs, &r.MaxAge, flag{"retry-max-age", "DURATION", "when to give up"}, parseDuration)
	optional(fs, &f.deadLetter, flag{"dead-letter", "TARGET", "where what was given up goes, instead of the function's own queue"}, parseText)
}

// bindUnset adds the flags that take something away.
func (f *functionFlags) bindUnset(cmd *cobra.Command) {
	f.bind(cmd, func(fs *pflag.FlagSet) {
		list(fs, &f.unsetEnv, flag{"unset-env", "KEY", "variable to remove; may be repeated"}, parseText)
		list(fs, &f.unsetTags, flag{"unset-tag", "KEY", "tag to remove; may be repeated"}, parseText)
	})
}

// bind adds flags and notes their names.
func (f *functionFlags) bind(cmd *cobra.Command, add func(*pflag.FlagSet)) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	add(fs)
	fs.VisitAll(func(x *pflag.Flag) { f.names = append(f.names, x.Name) })
	cmd.Flags().AddFlagSet(fs)
}

// given reports whether any of the flags was.
func (f *functionFlags) given(cmd *cobra.Command) bool {
	return slices.ContainsFunc(f.names, cmd.Flags().Changed)
}

// onto returns the patch that puts the flags onto a function as it is.
func (f *functionFlags) onto(old *wire.Function) function.Patch {
	p := f.patch
	p.Environment = merge(old.Environment, p.Environment, f.unsetEnv)
	p.Tags = merge(old.Tags, p.Tags, f.unsetTags)
	if f.scaling != (function.ScalingPatch{}) {
		p.Scaling = &f.scaling
	}
	if f.retry != (function.RetryPatch{}) {
		p.Retry = &f.retry
	}
	if f.deadLetter != nil {
		p.DeadLetter = &function.DeadLetter{Target: *f.deadLetter}
	}
	return p
}

// merge returns nil where nothing is added or taken away.
func merge(old, add map[string]string, remove []string) map[string]string {
	if add == nil && remove == nil {
		return nil
	}
	all := map[string]string{}
	maps.Copy(all, old)
	for _, k := range remove {
		delete(all, k)
	}
	maps.Copy(all, add)
	return all
}

// merges reports whether the patch depends on what the function has.
func (f *functionFlags) merges() bool {
	return f.patch.Environment != nil || f.patch.Tags != nil || f.unsetEnv != nil || f.unsetTags != nil
}

// update puts the flags onto a function. Where they are merged with what it
// has, a change that comes between reading and writing is not overwritten.
func (f *functionFlags) update(ctx context.Context, c *client.Client, name string, ifMatch client.ETag) (*wire.Function, error) {
	old := new(wire.Function)
	if f.merges() {
		present, tag, err := c.Function(ctx, name)
		if err != nil {
			return nil, err
		}
		old = present
		if ifMatch == "" {
			ifMatch = tag
		}
	}
	return c.UpdateFunction(ctx, name, ifMatch, f.onto(old))
}

func ifMatchFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "if-match", "", "only if its `ETAG` is still this one, see get")
}

// tagOf puts the quotes on that shells eat.
func tagOf(s string) client.ETag {
	if s == "" || s == "*" || strings.HasPrefix(s, `"`) || strings.HasPrefix(s, "W/") {
		return client.ETag(s)
	}
	return client.ETag(`"` + s + `"`)
}
