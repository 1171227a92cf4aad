package fault

import (
	"fmt"
	"slices"
)

// Collector gathers every fault of a request, so that a caller sees all of
// them at once. The zero value is ready; it serves one goroutine.
type Collector struct {
	details []Detail
}

// Add notes a fault of a field.
func (c *Collector) Add(field, format string, args ...any) {
	c.details = append(c.details, Detail{Field: field, Message: sprintf(format, args)})
}

// AddAll notes the details that another check found.
func (c *Collector) AddAll(details []Detail) { c.details = append(c.details, details...) }

// Check notes a fault of a field unless ok.
func (c *Collector) Check(ok bool, field, format string, args ...any) {
	if !ok {
		c.Add(field, format, args...)
	}
}

// Has reports whether a fault of the field was noted.
func (c *Collector) Has(field string) bool {
	return slices.ContainsFunc(c.details, func(d Detail) bool { return d.Field == field })
}

// Err returns nil where nothing was noted, else an Invalid fault whose message
// begins with what was attempted.
func (c *Collector) Err(format string, args ...any) error {
	if len(c.details) == 0 {
		return nil
	}
	e := New(Invalid, "validation", "%s", fmt.Sprintf(format, args...))
	e.Details = c.details
	return e
}
