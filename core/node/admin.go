package node

import (
	"context"

	"github.com/skiffhq/skiff/core/audit"
	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/identity"
)

// auditedAdmin is what the administration socket may do, with a note of who did
// it. Whoever reaches the socket is the host's administrator.
type auditedAdmin struct {
	identity *identity.Service
	audit    *audit.Log
}

// InitAdmin implements adminsock.Admin.
func (a auditedAdmin) InitAdmin(ctx context.Context, user, password string) error {
	return a.note(ctx, "user.init", user, a.identity.InitAdmin(ctx, user, password))
}

// ResetPassword implements adminsock.Admin.
func (a auditedAdmin) ResetPassword(ctx context.Context, user, password string) error {
	return a.note(ctx, "user.reset-password", user, a.identity.ResetPassword(ctx, user, password))
}

// note records the outcome and returns it. That the note could not be made has
// been logged and does not undo what was done.
func (a auditedAdmin) note(ctx context.Context, action, user string, outcome error) error {
	result := "ok"
	if outcome != nil {
		result = fault.ClassOf(outcome).String()
	}
	_ = a.audit.Record(ctx, audit.Entry{Actor: "system", Action: action, Target: "user/" + user, Result: result, Remote: "admin.sock"})
	return outcome
}
