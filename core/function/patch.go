package function

// Patch is a wish to set some of a function's configuration, for creating as
// well as for changing one. A nil field leaves what is there; an empty list or
// map clears it.
type Patch struct {
	Description         *string           `json:"description,omitempty"`
	Tags                map[string]string `json:"tags,omitzero"`
	Team                *string           `json:"team,omitempty"`
	AllowedRoles        []Role            `json:"allowedRoles,omitzero"`
	Runtime             *string           `json:"runtime,omitempty"` // in any spelling, see Catalogue.Parse
	Handler             *string           `json:"handler,omitempty"`
	MemoryMB            *int              `json:"memorySize,omitempty"` // MiB
	Timeout             *int              `json:"timeout,omitempty"`    // seconds
	Environment         map[string]string `json:"environment,omitzero"`
	Network             *Network          `json:"network,omitempty"`
	Isolation           *Isolation        `json:"isolation,omitempty"`
	InstanceConcurrency *int              `json:"instanceConcurrency,omitempty"`
	ReservedConcurrency Nullable[int]     `json:"reservedConcurrency,omitzero"` // null takes the reservation away
	Scaling             *ScalingPatch     `json:"scaling,omitempty"`
	Retry               *RetryPatch       `json:"retry,omitempty"`
	DeadLetter          *DeadLetter       `json:"deadLetter,omitempty"`
}

// ScalingPatch is a Patch of Scaling.
type ScalingPatch struct {
	MinInstances              *int      `json:"minInstances,omitempty"`
	MaxInstances              *int      `json:"maxInstances,omitempty"`
	TargetConcurrency         *int      `json:"targetConcurrency,omitempty"`
	ScaleUpCooldown           *Duration `json:"scaleUpCooldown,omitempty"`
	ScaleDownCooldown         *Duration `json:"scaleDownCooldown,omitempty"`
	PreProvisionedConcurrency *int      `json:"preProvisionedConcurrency,omitempty"`
	KeepWarmEnabled           *bool     `json:"keepWarmEnabled,omitempty"`
	KeepWarmInterval          *Duration `json:"keepWarmInterval,omitempty"`
}

// RetryPatch is a Patch of Retry.
type RetryPatch struct {
	MaxAttempts *int      `json:"maxAttempts,omitempty"`
	MinDelay    *Duration `json:"minDelay,omitempty"`
	MaxDelay    *Duration `json:"maxDelay,omitempty"`
	MaxAge      *Duration `json:"maxAge,omitempty"`
}

// AliasSpec is what a caller says of an alias. Version may be 0 where Routing
// is given.
type AliasSpec struct {
	Version     Number
	Routing     map[Number]int // version → per cent
	Description *string        // nil leaves what is there
}
