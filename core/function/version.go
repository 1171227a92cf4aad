package function

import (
	"maps"

	"github.com/skiffhq/skiff/core/fault"
)

// Check notes every fault of what a publisher says of a version: its
// description and its environment. The rest comes from the function.
func (v *Version) Check(faults *fault.Collector) {
	c := checker{faults}
	c.text("description", v.Description, MaxDescription)
	checkEnvironment(c, v.Environment)
}

// Equal reports whether units with either settings behave alike.
func (s *Settings) Equal(o *Settings) bool {
	return s.Runtime == o.Runtime && s.Handler == o.Handler && s.MemoryMB == o.MemoryMB && s.Timeout == o.Timeout &&
		s.Network == o.Network && s.Isolation == o.Isolation && s.InstanceConcurrency == o.InstanceConcurrency &&
		maps.Equal(s.Environment, o.Environment)
}

// Unit returns what an instance of the version runs. born is the function's
// CreatedAt in nanoseconds, as Key.Born.
func (v *Version) Unit(team string, born int64) Unit {
	return Unit{
		Key:  Key{Function: v.FunctionName, Version: v.Number, Born: born},
		Team: team, CodeSHA256: v.CodeSHA256, Settings: v.Settings,
	}
}

// Born returns what Key.Born holds for the function's units.
func (f *Function) Born() int64 { return f.CreatedAt.UnixNano() }

// Latest returns what an instance of $LATEST runs where the newest version has
// the code given.
func (f *Function) Latest(codeSHA256 string) Unit {
	return Unit{
		Key:  Key{Function: f.Name, Revision: f.Revision, Born: f.Born()},
		Team: f.Team, CodeSHA256: codeSHA256, Settings: f.Settings,
	}
}
