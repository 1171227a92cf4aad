// Package wire holds the JSON shapes of the HTTP API, which core/api writes
// and core/client reads: camelCase, times RFC 3339 in UTC, durations ISO 8601.
//
// Shapes only. How a record becomes a shape is core/api's business, and rules
// over values are core/function's.
package wire

import (
	"encoding/json"
	"time"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// Function answers GET /functions/{name}.
type Function struct {
	Name                string              `json:"name"`
	Description         string              `json:"description"`
	Runtime             function.Runtime    `json:"runtime"`
	Handler             string              `json:"handler"`
	MemorySize          int                 `json:"memorySize"` // MiB
	Timeout             int                 `json:"timeout"`    // seconds
	Environment         map[string]string   `json:"environment,omitempty"`
	Tags                map[string]string   `json:"tags"`
	Team                string              `json:"team"`
	AllowedRoles        []function.Role     `json:"allowedRoles"`
	Network             function.Network    `json:"network"`
	Isolation           function.Isolation  `json:"isolation"`
	InstanceConcurrency int                 `json:"instanceConcurrency"`
	ReservedConcurrency *int                `json:"reservedConcurrency"`
	Scaling             function.Scaling    `json:"scaling"`
	Retry               function.Retry      `json:"retry"`
	DeadLetter          function.DeadLetter `json:"deadLetter"`
	PublishedVersion    function.Number     `json:"publishedVersion"` // 0 before the first
	OwnerID             string              `json:"ownerId"`
	CreatedAt           time.Time           `json:"createdAt"`
	UpdatedAt           time.Time           `json:"updatedAt"`
	TotalInvocations    uint64              `json:"totalInvocations"`
	LastInvokedAt       *time.Time          `json:"lastInvokedAt"` // null for never
}

// CreateFunction is the body of POST /functions.
type CreateFunction struct {
	Name string `json:"name"`
	function.Patch
}

// Functions answers GET /functions.
type Functions struct {
	Functions  []Function `json:"functions"`
	Total      int        `json:"total"`
	Limit      int        `json:"limit"`
	Offset     int        `json:"offset"`
	NextCursor string     `json:"nextCursor,omitempty"`
}

// Version answers GET /functions/{name}/versions/{v}.
type Version struct {
	FunctionName    string                 `json:"functionName"`
	Version         function.Number        `json:"version"`
	VersionString   string                 `json:"versionString"` // "v6"
	CodeSHA256      string                 `json:"codeSha256"`    // hex, of the bytes uploaded
	CodeSize        int64                  `json:"codeSize"`      // bytes
	CodeLocation    string                 `json:"codeLocation"`  // path of the download
	Runtime         function.Runtime       `json:"runtime"`
	Handler         string                 `json:"handler"`
	MemorySize      int                    `json:"memorySize"` // MiB
	Timeout         int                    `json:"timeout"`    // seconds
	Environment     map[string]string      `json:"environment,omitempty"`
	Description     string                 `json:"description"`
	Status          function.VersionStatus `json:"status"`
	InvocationCount uint64                 `json:"invocationCount"`
	CreatedAt       time.Time              `json:"createdAt"`
	CreatedBy       string                 `json:"createdBy"`
}

// PublishVersion is the JSON body of POST /functions/{name}/versions.
type PublishVersion struct {
	Code        string            `json:"code"` // base64 of a ZIP archive or of a WebAssembly module
	Description string            `json:"description,omitempty"`
	Environment map[string]string `json:"environment,omitempty"` // added to the function's, for this version
}

// Versions answers GET /functions/{name}/versions.
type Versions struct {
	FunctionName string    `json:"functionName"`
	Versions     []Version `json:"versions"` // newest first
	Total        int       `json:"total"`
	NextCursor   string    `json:"nextCursor,omitempty"`
}

// Alias answers GET /functions/{name}/aliases/{alias}.
type Alias struct {
	FunctionName  string                  `json:"functionName"`
	AliasName     string                  `json:"aliasName"`
	Version       function.Number         `json:"version"`
	RoutingConfig map[function.Number]int `json:"routingConfig,omitempty"` // version → per cent
	Description   string                  `json:"description"`
	CreatedAt     time.Time               `json:"createdAt"`
	UpdatedAt     time.Time               `json:"updatedAt"`
}

// PutAlias is the body of POST /functions/{name}/aliases and, without the
// name, of PUT …/{alias}.
type PutAlias struct {
	AliasName     string                  `json:"aliasName,omitempty"`
	Version       function.Number         `json:"version,omitempty"`
	RoutingConfig map[function.Number]int `json:"routingConfig,omitempty"`
	Description   *string                 `json:"description,omitempty"`
}

// Aliases answers GET /functions/{name}/aliases.
type Aliases struct {
	FunctionName string  `json:"functionName"`
	Aliases      []Alias `json:"aliases"`
	Total        int     `json:"total"`
	NextCursor   string  `json:"nextCursor,omitempty"`
}

// PutEnvironment is the body of PUT /functions/{name}/environment.
type PutEnvironment struct {
	Variables map[string]string `json:"variables"`
}

// PutConcurrency is the body of PUT /functions/{name}/concurrency.
type PutConcurrency struct {
	ReservedConcurrency       function.Nullable[int] `json:"reservedConcurrency,omitzero"`
	InstanceConcurrency       *int                   `json:"instanceConcurrency,omitempty"`
	PreProvisionedConcurrency *int                   `json:"preProvisionedConcurrency,omitempty"`
	KeepWarmEnabled           *bool                  `json:"keepWarmEnabled,omitempty"`
	KeepWarmInterval          *function.Duration     `json:"keepWarmInterval,omitempty"`
}

// FunctionMetrics answers GET /functions/{name}/metrics.
type FunctionMetrics struct {
	FunctionName string            `json:"functionName"`
	Window       function.Duration `json:"window"`
	Metrics      MetricValues      `json:"metrics"`
	Timestamp    time.Time         `json:"timestamp"`
}

// MetricValues are what a function did in a window: durations in milliseconds,
// memory in MiB, rates as fractions.
type MetricValues struct {
	Invocations   uint64  `json:"invocations"`
	Errors        uint64  `json:"errors"`
	ErrorRate     float64 `json:"errorRate"`
	ColdStarts    uint64  `json:"coldStarts"`
	Throttles     uint64  `json:"throttles"`
	AvgDuration   float64 `json:"avgDuration"`
	P50Duration   float64 `json:"p50Duration"`
	P95Duration   float64 `json:"p95Duration"`
	P99Duration   float64 `json:"p99Duration"`
	AvgMemoryUsed float64 `json:"avgMemoryUsed"`
	MaxMemoryUsed float64 `json:"maxMemoryUsed"`
}

// Invoke is the body of POST /functions/{name}/invoke.
type Invoke struct {
	Payload        json.RawMessage `json:"payload,omitempty"` // JSON, or a string that is handed over as it is
	Alias          string          `json:"alias,omitempty"`
	Version        json.RawMessage `json:"version,omitempty"`        // 6, "6" or "v6"
	InvocationType string          `json:"invocationType,omitempty"` // see the constants
}

// The types of invocation.
const (
	RequestResponse = "RequestResponse"
	Event           = "Event"
	DryRun          = "DryRun"
)

// InvokeResult answers a synchronous invocation.
type InvokeResult struct {
	StatusCode      int             `json:"statusCode"`
	Body            json.RawMessage `json:"body"`           // the function's JSON, or its answer as a JSON string
	ExecutionTime   float64         `json:"executionTime"`  // ms
	BilledDuration  int64           `json:"billedDuration"` // ms, rounded up
	MemoryUsed      float64         `json:"memoryUsed"`     // MiB
	WasColdStart    bool            `json:"wasColdStart"`
	RequestID       string          `json:"requestId"`
	ExecutedVersion string          `json:"executedVersion"` // "6" or "$LATEST"
	LogStreamName   string          `json:"logStreamName"`
	FunctionError   string          `json:"functionError,omitempty"` // "Handled" or "Unhandled"
	Logs            []LogLine       `json:"logs,omitempty"`          // where ?tail=true asked for them
}

// HeaderReport with any value asks Lambda's Invoke for a header of the same
// name in its answer: an InvokeResult whose body is null.
const HeaderReport = "X-Skiff-Report"

// FunctionFailure is the body of an invocation whose function failed.
type FunctionFailure struct {
	ErrorMessage string   `json:"errorMessage"`
	ErrorType    string   `json:"errorType"`
	StackTrace   []string `json:"stackTrace"`
}

// LogLine is one line that a function wrote.
type LogLine struct {
	Timestamp time.Time `json:"timestamp"`
	Level     string    `json:"level"`  // "debug", "info", "warn", "error"
	Stream    string    `json:"stream"` // "stdout", "stderr", "log"
	Message   string    `json:"message"`
}

// Login is the body of POST /authentication/login.
type Login struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// LoginResult answers it.
type LoginResult struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt"`
	User      LoginUser `json:"user"`
}

// LoginUser is who has logged in.
type LoginUser struct {
	Username string        `json:"username"`
	Role     function.Role `json:"role"`
}

// User answers GET /users/{name}.
type User struct {
	Username  string        `json:"username"`
	Role      function.Role `json:"role"`
	Teams     []string      `json:"teams"`
	CreatedAt time.Time     `json:"createdAt"`
	UpdatedAt time.Time     `json:"updatedAt"`
}

// CreateUser is the body of POST /users.
type CreateUser struct {
	Username string        `json:"username"`
	Password string        `json:"password"`
	Role     function.Role `json:"role"`
	Teams    []string      `json:"teams,omitempty"`
}

// UpdateUser is the body of PUT /users/{name}. An Admin sets any of it; every
// user may set their own password, with the old one.
type UpdateUser struct {
	Role        *function.Role `json:"role,omitempty"`
	Teams       []string       `json:"teams,omitempty"`
	Password    *string        `json:"password,omitempty"`
	OldPassword string         `json:"oldPassword,omitempty"`
}

// Users answers GET /users.
type Users struct {
	Users      []User `json:"users"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// Token answers GET /tokens and POST /tokens, and there with the credential.
type Token struct {
	TokenID   string        `json:"tokenId"`
	Name      string        `json:"name,omitempty"`
	User      string        `json:"user"`
	Token     string        `json:"token,omitempty"` // shown once
	Role      function.Role `json:"role"`
	Teams     []string      `json:"teams"`
	CreatedAt time.Time     `json:"createdAt"`
	ExpiresAt *time.Time    `json:"expiresAt"` // null: never
	RevokedAt *time.Time    `json:"revokedAt,omitempty"`
}

// CreateToken is the body of POST /tokens.
type CreateToken struct {
	Name  string             `json:"name,omitempty"`
	Role  function.Role      `json:"role,omitempty"` // empty: the caller's own
	Teams []string           `json:"teams,omitempty"`
	TTL   *function.Duration `json:"ttl,omitempty"` // absent: the appliance's default
}

// Tokens answers GET /tokens.
type Tokens struct {
	Tokens     []Token `json:"tokens"`
	NextCursor string  `json:"nextCursor,omitempty"`
}

// AuditEntry is one change that somebody made.
type AuditEntry struct {
	ID        string            `json:"id"`
	Timestamp time.Time         `json:"timestamp"`
	Actor     string            `json:"actor"`
	Action    string            `json:"action"`
	Target    string            `json:"target"`
	Result    string            `json:"result"`
	Remote    string            `json:"remote,omitempty"`
	Details   map[string]string `json:"details,omitempty"`
}

// Audit answers GET /audit.
type Audit struct {
	Entries    []AuditEntry `json:"entries"`
	NextCursor string       `json:"nextCursor,omitempty"`
}

// Health answers /healthz.
type Health struct {
	Status  string `json:"status"` // "ok"
	Version string `json:"version"`
}

// Readiness answers /readyz: 200 where ready, else 503.
type Readiness struct {
	Ready      bool        `json:"ready"`
	Components []Component `json:"components"`
}

// Component is a part of the appliance.
type Component struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"` // why not, and what to do
}

// Error answers every request that failed.
type Error struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody says what failed.
type ErrorBody struct {
	Code      string         `json:"code"`
	Message   string         `json:"message"`
	Details   []fault.Detail `json:"details,omitempty"`
	TraceID   string         `json:"traceId"`
	Timestamp time.Time      `json:"timestamp"`
}

// Endpoints is DIR/endpoints.json: where a running appliance listens, as
// host:port.
type Endpoints struct {
	API     string `json:"api"`
	Metrics string `json:"metrics,omitempty"` // where it has a listener of its own
}
