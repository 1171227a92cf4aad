package function

import (
	"maps"
	"slices"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// Check notes every fault of the function's configuration, one a field at most
// and none for a field that has one already, under its camelCase path.
func (f *Function) Check(runtimes *Catalogue, faults *fault.Collector) {
	c := checker{faults}
	c.check(ValidName(f.Name), "name", "must be 1 to %d letters, digits, hyphens and underscores", maxName)
	c.check(ValidName(f.Team), "team", "must be 1 to %d letters, digits, hyphens and underscores", maxName)
	c.text("description", f.Description, MaxDescription)
	checkTags(c, f.Tags)
	checkRoles(c, f.AllowedRoles)
	f.Settings.check(c, runtimes)
	if r := f.ReservedConcurrency; r != nil {
		c.between("reservedConcurrency", *r, 0, MaxReservedConcurrency)
	}
	f.Scaling.check(c)
	f.Retry.check(c)
	c.check(len(f.DeadLetter.Target) <= MaxTarget && line(f.DeadLetter.Target), "deadLetter.target",
		"must be one line of at most %d bytes", MaxTarget)
}

func checkTags(c checker, tags map[string]string) {
	c.check(len(tags) <= MaxTags, "tags", "must be at most %d", MaxTags)
	var keys, values []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if k == "" || len(k) > MaxTagKey || !line(k) {
			keys = append(keys, k)
		}
		if v := tags[k]; len(v) > MaxTagValue || !line(v) {
			values = append(values, k)
		}
	}
	c.check(keys == nil, "tags", "a key must be one line of 1 to %d bytes: %s", MaxTagKey, quoted(keys))
	c.check(values == nil, "tags", "a value must be one line of at most %d bytes: that of %s", MaxTagValue, quoted(values))
}

func checkRoles(c checker, roles []Role) {
	seen := map[Role]bool{}
	for _, r := range roles {
		oneOf(c, "allowedRoles", r, Roles()...)
		c.check(!seen[r], "allowedRoles", "must name each role once, %s is named twice", r)
		seen[r] = true
	}
}

func (s *Settings) check(c checker, runtimes *Catalogue) {
	family := s.checkRuntime(c, runtimes)
	s.checkMemory(c)
	c.check(s.Timeout >= MinTimeout && s.Timeout <= MaxTimeout && s.Timeout%time.Second == 0, "timeout",
		"must be %d to %d seconds", MinTimeout/time.Second, MaxTimeout/time.Second)
	checkEnvironment(c, s.Environment)
	oneOf(c, "network", s.Network, NetworkNone, NetworkEgress)
	oneOf(c, "isolation", s.Isolation, IsolationRequest, IsolationInstance)
	c.check(s.Isolation == IsolationRequest || family == FamilyWasm || family == "", "isolation",
		"is for the runtime %s only", RuntimeWasm)
	c.between("instanceConcurrency", s.InstanceConcurrency, 1, MaxInstanceConcurrency)
}

// checkRuntime checks the handler too where the runtime says how it is written.
func (s *Settings) checkRuntime(c checker, runtimes *Catalogue) Family {
	if c.Has("runtime") {
		return "" // what was wanted is not known
	}
	family := runtimes.Family(s.Runtime)
	if family == "" {
		if _, err := runtimes.Parse(string(s.Runtime)); err == nil {
			c.check(false, "runtime", "is not in its normal spelling")
		} else {
			c.check(false, "runtime", "%s", runtimeFault(string(s.Runtime), err))
		}
		return ""
	}
	if _, err := ParseHandler(family, s.Handler); err != nil {
		c.check(false, "handler", "%s", helpWith(family))
	}
	return family
}

// runtimeFault is what to tell of a runtime that Catalogue.Parse refused.
func runtimeFault(given string, err error) string {
	if given == "" {
		return "is required"
	}
	e := fault.Of(err)
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + ": " + e.Remedy
}

func (s *Settings) checkMemory(c checker) {
	most := MaxMemoryMB
	if s.Runtime == RuntimeWasm {
		most = MaxWasmMemoryMB
	}
	c.check(s.MemoryMB >= MinMemoryMB && s.MemoryMB <= most && s.MemoryMB%MemoryStepMB == 0, "memorySize",
		"must be %d to %d MiB in steps of %d", MinMemoryMB, most, MemoryStepMB)
}

func (s *Scaling) check(c checker) {
	c.between("scaling.maxInstances", s.MaxInstances, 1, MaxScaledInstances)
	c.between("scaling.minInstances", s.MinInstances, 0, MaxScaledInstances)
	c.check(s.MinInstances <= s.MaxInstances, "scaling.minInstances", "must not be above maxInstances")
	c.between("scaling.targetConcurrency", s.TargetConcurrency, 1, MaxTargetConcurrency)
	c.span("scaling.scaleUpCooldown", s.ScaleUpCooldown, 0, MaxCooldown)
	c.span("scaling.scaleDownCooldown", s.ScaleDownCooldown, 0, MaxCooldown)
	c.between("scaling.preProvisionedConcurrency", s.PreProvisionedConcurrency, 0, MaxScaledInstances)
	c.check(s.PreProvisionedConcurrency <= s.MaxInstances, "scaling.preProvisionedConcurrency", "must not be above maxInstances")
	c.span("scaling.keepWarmInterval", s.KeepWarmInterval, MinKeepWarmInterval, MaxKeepWarmInterval)
}

func (r *Retry) check(c checker) {
	c.between("retry.maxAttempts", r.MaxAttempts, 1, MaxAttempts)
	c.span("retry.minDelay", r.MinDelay, 0, MaxRetryDelay)
	c.span("retry.maxDelay", r.MaxDelay, 0, MaxRetryDelay)
	c.check(r.MinDelay <= r.MaxDelay, "retry.minDelay", "must not be above maxDelay")
	c.span("retry.maxAge", r.MaxAge, MinRetryAge, MaxRetryAge)
}
