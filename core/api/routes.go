package api

import (
	"slices"

	"github.com/skiffhq/skiff/core/artifact"
	"github.com/skiffhq/skiff/core/function"
	"github.com/skiffhq/skiff/core/sandbox"
)

// base is where the contract's paths begin, unless it says otherwise.
const base = "/api/v1"

// The most bytes of a body.
const (
	maxJSON   = 1 << 20
	maxLambda = sandbox.MaxPayload
	// maxInvoke holds a payload as a JSON string in which every other
	// character is escaped.
	maxInvoke = 2*sandbox.MaxPayload + 64<<10
	// maxPublish holds a package in base64, with room for its other fields.
	maxPublish = artifact.MaxPacked/3*4 + maxJSON
)

// Who may use a route. An Admin may use every one.
var (
	admins     = []function.Role{function.RoleAdmin}
	developers = []function.Role{function.RoleAdmin, function.RoleDeveloper}
	operators  = []function.Role{function.RoleAdmin, function.RoleDeveloper, function.RoleOperator}
	everybody  = function.Roles()
)

// handler answers one route. It returns faults and does not log them.
type handler func(s *Server, r *request) (response, error)

// route is one method of one path, and all that is to be known of it.
type route struct {
	method, path string
	open         bool            // no token is asked for
	roles        []function.Role // who may use it
	self         bool            // or who is named in the path
	class        class
	maxBody      int64  // bytes
	audit        string // the action that the audit log notes; empty: none
	target       string // what it notes as changed; {…} are parts of the path
	function     bool   // {name} is a function, which the caller must see
	qualified    bool   // {name} may carry a qualifier, as Lambda's paths do
	amazon       bool   // for AWS' SDKs
	refusal      bool   // no route at all: what answers where none is found
	handle       handler
}

// table is every route. Whatever is true of a route is derived from here.
var table = slices.Concat(systemRoutes, identityRoutes, functionRoutes, versionRoutes, aliasRoutes, invokeRoutes)

var systemRoutes = []route{
	{method: "GET", path: "/healthz", open: true, handle: (*Server).health},
	{method: "GET", path: "/health", open: true, handle: (*Server).health},
	{method: "GET", path: "/readyz", open: true, handle: (*Server).readiness},
	{method: "GET", path: "/metrics", roles: everybody, handle: (*Server).metrics},
	{method: "GET", path: base + "/openapi.json", open: true, handle: (*Server).document},
	{method: "GET", path: base + "/audit", roles: admins, class: classRead, handle: (*Server).listAudit},
}

var identityRoutes = []route{
	{method: "POST", path: base + "/authentication/login", open: true, maxBody: maxJSON, audit: "login", handle: (*Server).login},
	{method: "GET", path: base + "/users", roles: admins, class: classRead, handle: (*Server).listUsers},
	{method: "POST", path: base + "/users", roles: admins, class: classWrite, maxBody: maxJSON, audit: "user.create", handle: (*Server).createUser},
	{method: "GET", path: base + "/users/{name}", roles: admins, self: true, class: classRead, handle: (*Server).getUser},
	{method: "PUT", path: base + "/users/{name}", roles: admins, self: true, class: classWrite, maxBody: maxJSON,
		audit: "user.update", target: "user/{name}", handle: (*Server).updateUser},
	{method: "DELETE", path: base + "/users/{name}", roles: admins, class: classWrite,
		audit: "user.delete", target: "user/{name}", handle: (*Server).deleteUser},
	{method: "GET", path: base + "/tokens", roles: everybody, class: classRead, handle: (*Server).listTokens},
	{method: "POST", path: base + "/tokens", roles: everybody, class: classWrite, maxBody: maxJSON, audit: "token.create", handle: (*Server).createToken},
	{method: "DELETE", path: base + "/tokens/{id}", roles: everybody, class: classNone, // whoever has lost a token must not have to wait
		audit: "token.revoke", target: "token/{id}", handle: (*Server).revokeToken},
}

var functionRoutes = []route{
	{method: "GET", path: base + "/functions", roles: everybody, class: classRead, handle: (*Server).listFunctions},
	{method: "POST", path: base + "/functions", roles: developers, class: classWrite, maxBody: maxJSON,
		audit: "function.create", handle: (*Server).createFunction},
	{method: "GET", path: base + "/functions/{name}", roles: everybody, class: classRead, function: true, handle: (*Server).getFunction},
	{method: "PUT", path: base + "/functions/{name}", roles: developers, class: classWrite, maxBody: maxJSON, function: true,
		audit: "function.update", target: "function/{name}", handle: (*Server).updateFunction},
	{method: "DELETE", path: base + "/functions/{name}", roles: admins, class: classWrite, function: true,
		audit: "function.delete", target: "function/{name}", handle: (*Server).deleteFunction},
	{method: "GET", path: base + "/functions/{name}/metrics", roles: everybody, class: classRead, function: true, handle: (*Server).functionMetrics},
	{method: "PUT", path: base + "/functions/{name}/concurrency", roles: developers, class: classWrite, maxBody: maxJSON, function: true,
		audit: "function.concurrency", target: "function/{name}", handle: (*Server).putConcurrency},
	{method: "PUT", path: base + "/functions/{name}/environment", roles: developers, class: classWrite, maxBody: maxJSON, function: true,
		audit: "function.environment", target: "function/{name}", handle: (*Server).putEnvironment},
}

var versionRoutes = []route{
	{method: "GET", path: base + "/functions/{name}/versions", roles: everybody, class: classRead, function: true, handle: (*Server).listVersions},
	{method: "POST", path: base + "/functions/{name}/versions", roles: developers, class: classWrite, maxBody: maxPublish, function: true,
		audit: "version.publish", target: "function/{name}", handle: (*Server).publish},
	{method: "GET", path: base + "/functions/{name}/versions/{version}", roles: everybody, class: classRead, function: true, handle: (*Server).getVersion},
	{method: "DELETE", path: base + "/functions/{name}/versions/{version}", roles: developers, class: classWrite, function: true,
		audit: "version.delete", target: "function/{name}/version/{version}", handle: (*Server).deleteVersion},
	{method: "GET", path: base + "/functions/{name}/versions/{version}/code", roles: everybody, class: classRead, function: true, handle: (*Server).downloadCode},
}

var aliasRoutes = []route{
	{method: "GET", path: base + "/functions/{name}/aliases", roles: everybody, class: classRead, function: true, handle: (*Server).listAliases},
	{method: "POST", path: base + "/functions/{name}/aliases", roles: developers, class: classWrite, maxBody: maxJSON, function: true,
		audit: "alias.create", target: "function/{name}", handle: (*Server).createAlias},
	{method: "GET", path: base + "/functions/{name}/aliases/{alias}", roles: everybody, class: classRead, function: true, handle: (*Server).getAlias},
	{method: "PUT", path: base + "/functions/{name}/aliases/{alias}", roles: operators, class: classWrite, maxBody: maxJSON, function: true,
		audit: "alias.update", target: "function/{name}/alias/{alias}", handle: (*Server).updateAlias},
	{method: "DELETE", path: base + "/functions/{name}/aliases/{alias}", roles: operators, class: classWrite, function: true,
		audit: "alias.delete", target: "function/{name}/alias/{alias}", handle: (*Server).deleteAlias},
}

var invokeRoutes = []route{
	{method: "POST", path: base + "/functions/{name}/invoke", roles: everybody, class: classInvoke, maxBody: maxInvoke, function: true,
		handle: (*Server).invoke},
	{method: "POST", path: "/2015-03-31/functions/{name}/invocations", roles: everybody, class: classInvoke, maxBody: maxLambda,
		function: true, qualified: true, amazon: true, handle: (*Server).invokeLambda},
}
