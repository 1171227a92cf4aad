package function

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/skiffhq/skiff/core/fault"
)

// Trigger binds an event source to a version or an alias of a function.
type Trigger struct {
	ID           string          `json:"triggerId"`
	FunctionName string          `json:"functionName"`
	Type         TriggerType     `json:"type"`
	Target       string          `json:"targetVersion"` // a qualifier
	Enabled      bool            `json:"isEnabled"`
	Config       json.RawMessage `json:"config"` // an object whose shape the type decides
	Status       TriggerStatus   `json:"status"`
	CreatedAt    time.Time       `json:"createdAt"`

	LastExecutedAt time.Time `json:"lastExecutedAt,omitzero"`
	ExecutionCount uint64    `json:"executionCount"`
	FailureCount   uint64    `json:"failureCount"`
}

// TriggerType is the kind of event source.
type TriggerType string

// The types of trigger.
const (
	TriggerHTTP      TriggerType = "Http"
	TriggerScheduled TriggerType = "Scheduled"
	TriggerQueue     TriggerType = "Queue"
)

// TriggerTypes lists every type.
func TriggerTypes() []TriggerType { return []TriggerType{TriggerHTTP, TriggerScheduled, TriggerQueue} }

// TriggerStatus tells whether events come through.
type TriggerStatus string

// The states of a trigger.
const (
	TriggerActive   TriggerStatus = "Active"
	TriggerDisabled TriggerStatus = "Disabled"
	TriggerDegraded TriggerStatus = "Degraded" // enabled, but its source cannot be reached
)

// MaxTriggerConfig is the longest configuration of a trigger, in bytes.
const MaxTriggerConfig = 16 << 10

// Check notes every fault that can be told without knowing the event source:
// core/trigger judges the configuration.
func (t *Trigger) Check(faults *fault.Collector) {
	c := checker{faults}
	c.check(ValidName(t.FunctionName), "functionName", "must name a function")
	oneOf(c, "type", t.Type, TriggerTypes()...)
	_, err := ParseQualifier(t.Target)
	c.check(err == nil, "targetVersion", "must be a version, an alias or %s", Latest)
	object := bytes.TrimLeft(t.Config, " \t\r\n")
	c.check(len(t.Config) <= MaxTriggerConfig && bytes.HasPrefix(object, []byte("{")) && json.Valid(object), "config",
		"must be an object of at most %d bytes", MaxTriggerConfig)
}
