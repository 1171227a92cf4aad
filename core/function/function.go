// Package function is the vocabulary of the appliance: functions, their
// versions and aliases, qualifiers, deployments, triggers, runners, runtimes
// and the limits that hold for them.
//
// It holds values and rules only. Nothing here reads a clock, a disk or a
// network; storing belongs to core/store, changing to core/catalog.
package function

import "time"

// Function is a named unit of code and configuration. Values are treated as
// immutable once they have left core/catalog: readers share them.
type Function struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Team        string            `json:"team"`

	// AllowedRoles limits who may invoke; empty means every role.
	AllowedRoles []Role `json:"allowedRoles,omitempty"`

	Settings

	// ReservedConcurrency is both the function's cap and its share of the
	// appliance's concurrency; nil means neither.
	ReservedConcurrency *int       `json:"reservedConcurrency,omitempty"`
	Scaling             Scaling    `json:"scaling"`
	Retry               Retry      `json:"retry"`
	DeadLetter          DeadLetter `json:"deadLetter,omitzero"`

	PublishedVersion Number    `json:"publishedVersion,omitempty"` // newest version, 0 before the first
	NextVersion      Number    `json:"nextVersion"`                // numbers are never given twice
	OwnerID          string    `json:"ownerId"`
	CreatedAt        time.Time `json:"createdAt"`
	UpdatedAt        time.Time `json:"updatedAt"`
	DeletedAt        time.Time `json:"deletedAt,omitzero"` // soft deletion; zero while alive

	// Revision counts changes of configuration; it tells instances of
	// $LATEST with old configuration from those with new.
	Revision uint64 `json:"revision"`
}

// Settings is the configuration that a version freezes when it is published.
type Settings struct {
	Runtime             Runtime           `json:"runtime"`
	Handler             string            `json:"handler"`
	MemoryMB            int               `json:"memorySize"` // MiB
	Timeout             time.Duration     `json:"timeout"`    // whole seconds
	Environment         map[string]string `json:"environment,omitempty"`
	Network             Network           `json:"network"`
	Isolation           Isolation         `json:"isolation"`
	InstanceConcurrency int               `json:"instanceConcurrency"` // invocations at once in one instance
}

// Number is the number of a version: 1, 2, 3… Zero stands for $LATEST.
type Number uint32

// Version is published code with the settings it had then. Only Description
// and Status may change after publishing.
type Version struct {
	FunctionName string        `json:"functionName"`
	Number       Number        `json:"version"`
	CodeSHA256   string        `json:"codeSha256"` // hex, of the bytes as uploaded
	CodeSize     int64         `json:"codeSize"`   // bytes as uploaded
	Description  string        `json:"description,omitempty"`
	Status       VersionStatus `json:"status"`
	CreatedAt    time.Time     `json:"createdAt"`
	CreatedBy    string        `json:"createdBy"`
	Settings
}

// VersionStatus is the place of a version in its life.
type VersionStatus string

// The states of a version.
const (
	VersionActive     VersionStatus = "Active"
	VersionDeprecated VersionStatus = "Deprecated"
	VersionArchived   VersionStatus = "Archived"
)

// Alias names one version, or several with weights.
type Alias struct {
	FunctionName string `json:"functionName"`
	Name         string `json:"aliasName"`
	Version      Number `json:"version"`
	// Routing gives each version its share in per cent; the shares sum to
	// 100. Where it is not empty it wins over Version.
	Routing     map[Number]int `json:"routingConfig,omitempty"`
	Description string         `json:"description,omitempty"`
	CreatedAt   time.Time      `json:"createdAt"`
	UpdatedAt   time.Time      `json:"updatedAt"`
	Revision    uint64         `json:"revision"` // behind the ETag
}

// Network is what a container function may reach.
type Network string

// The network settings. WebAssembly has no network whatever is set.
const (
	NetworkNone   Network = "none"
	NetworkEgress Network = "egress"
)

// Isolation says how long a WebAssembly sandbox keeps its state.
type Isolation string

// The isolation settings.
const (
	IsolationRequest  Isolation = "request"  // fresh state for every request
	IsolationInstance Isolation = "instance" // state stays, on purpose
)

// Scaling bounds the number of instances and paces the autoscaler.
type Scaling struct {
	MinInstances              int      `json:"minInstances"`
	MaxInstances              int      `json:"maxInstances"`
	TargetConcurrency         int      `json:"targetConcurrency"`
	ScaleUpCooldown           Duration `json:"scaleUpCooldown"`
	ScaleDownCooldown         Duration `json:"scaleDownCooldown"`
	PreProvisionedConcurrency int      `json:"preProvisionedConcurrency"`
	KeepWarmEnabled           bool     `json:"keepWarmEnabled"`
	KeepWarmInterval          Duration `json:"keepWarmInterval"`
}

// Retry is the policy for asynchronous invocations.
type Retry struct {
	MaxAttempts int      `json:"maxAttempts"`
	MinDelay    Duration `json:"minDelay"`
	MaxDelay    Duration `json:"maxDelay"`
	MaxAge      Duration `json:"maxAge"`
}

// DeadLetter says where messages go that ran out of attempts. The zero value
// keeps them in the function's own dead-letter queue.
type DeadLetter struct {
	Target string `json:"target,omitempty"`
}

// Role is what a user or a token may do.
type Role string

// The roles. They are sets of permissions, not a ladder: see core/api's routes.
const (
	RoleAdmin     Role = "Admin"
	RoleDeveloper Role = "Developer"
	RoleOperator  Role = "Operator"
	RoleViewer    Role = "Viewer"
)

// Roles lists every role, the most powerful first.
func Roles() []Role { return []Role{RoleAdmin, RoleDeveloper, RoleOperator, RoleViewer} }

// DefaultTeam owns functions whose creator named no team.
const DefaultTeam = "default"

// DefaultScaling returns the scaling of a function that says nothing.
func DefaultScaling() Scaling {
	return Scaling{
		MaxInstances: 100, TargetConcurrency: 10,
		ScaleUpCooldown: Duration(30 * time.Second), ScaleDownCooldown: Duration(5 * time.Minute),
		KeepWarmInterval: Duration(5 * time.Minute),
	}
}

// DefaultRetry returns the retry policy of a function that says nothing.
func DefaultRetry() Retry {
	return Retry{
		MaxAttempts: 3,
		MinDelay:    Duration(time.Second), MaxDelay: Duration(5 * time.Minute),
		MaxAge: Duration(6 * time.Hour),
	}
}

// Default returns a function with every default set and no name, runtime or
// handler.
func Default() Function {
	return Function{
		Team:        DefaultTeam,
		NextVersion: 1,
		Settings: Settings{
			MemoryMB: 256, Timeout: 30 * time.Second,
			Network: NetworkNone, Isolation: IsolationRequest, InstanceConcurrency: 1,
		},
		Scaling: DefaultScaling(),
		Retry:   DefaultRetry(),
	}
}

// CPUShare returns the function's share of one vCPU: memory / 1792 MiB, so
// that 1792 MiB is one whole.
func (s Settings) CPUShare() float64 { return float64(s.MemoryMB) / 1792 }

// Unit is what an instance runs: one version of one function, or $LATEST,
// which is the newest version's code under the function's present
// configuration. It is immutable and shared.
type Unit struct {
	Key
	Team       string
	CodeSHA256 string
	Settings
}

// Key names a unit; two units with one key are the same. It is comparable.
type Key struct {
	Function string
	Version  Number // 0 for $LATEST
	// Revision is that of the function's configuration from which the unit is
	// what it is; 0 for a numbered version, unless the function has moved to
	// another team since the appliance started.
	Revision uint64
	// Born tells the units of a function from those of a deleted namesake:
	// the function's CreatedAt in nanoseconds since 1970.
	Born int64
}

// Runtime names a language runtime in its normal spelling, e.g. "node20".
type Runtime string

// RuntimeWasm runs in wasmhost; every other runtime runs in containers.
const RuntimeWasm Runtime = "wasm"
