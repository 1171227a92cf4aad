package catalog

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/skiffhq/skiff/core/fault"
	"github.com/skiffhq/skiff/core/function"
)

// holding has a function "hello" with n versions, all of the same code.
func holding(t testing.TB, n int) *fixture {
	f := withVersions(t, 1)
	v := f.store.versions[versionKey{"hello", 1}]
	for i := 2; i <= n; i++ {
		v.Number = function.Number(i)
		f.store.versions[versionKey{"hello", v.Number}] = v
	}
	fn := f.store.functions["hello"]
	fn.PublishedVersion, fn.NextVersion = v.Number, v.Number+1
	f.store.functions["hello"] = fn
	f.reopen()
	return f
}

func TestAFunctionHasNoMoreVersionsThanItMay(t *testing.T) {
	f := holding(t, function.MaxVersions-1)
	if v := f.publish("hello", "the last"); v.Number != function.MaxVersions {
		t.Errorf("published %s", v.Number)
	}
	before := f.bundles()
	_, err := f.Publish(t.Context(), "ada", "hello", Publication{Code: wasmModule("one more")})
	wantFault(t, err, fault.Conflict, "too_many_versions")
	if now := f.bundles(); len(now) != len(before) {
		t.Errorf("code is left of what was refused: %d bundles, were %d", len(now), len(before))
	}
	if err := f.DeleteVersion(t.Context(), "hello", 1); err != nil {
		t.Fatal(err)
	}
	if v := f.publish("hello", "one more"); v.Number != function.MaxVersions+1 {
		t.Errorf("published %s", v.Number)
	}
	f.wantSame()
}

func TestTheLastRoomForAVersionIsGivenOnce(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	f := holding(t, function.MaxVersions-1)
	var began atomic.Bool
	f.opts.Check = func(context.Context, *function.Unit) error {
		if began.CompareAndSwap(false, true) { // the first is overtaken
			close(inside)
			<-leave
		}
		return nil
	}
	slow := make(chan error)
	go func() {
		_, err := f.Publish(t.Context(), "ada", "hello", Publication{Code: wasmModule("slow")})
		slow <- err
	}()
	<-inside
	f.publish("hello", "fast")
	close(leave)
	wantFault(t, <-slow, fault.Conflict, "too_many_versions")
	f.wantSame()
}

func TestAFunctionHasNoMoreAliasesThanItMay(t *testing.T) {
	f := withVersions(t, 1)
	for i := range function.MaxAliases {
		f.alias("hello", fmt.Sprintf("a%d", i), function.AliasSpec{Version: 1})
	}
	_, err := f.CreateAlias(t.Context(), "hello", "more", function.AliasSpec{Version: 1})
	wantFault(t, err, fault.Conflict, "too_many_aliases")
	if _, err := f.UpdateAlias(t.Context(), "hello", "a0", nil, function.AliasSpec{Version: 1}); err != nil {
		t.Errorf("an alias that is there cannot be changed: %v", err)
	}
	if err := f.DeleteAlias(t.Context(), "hello", "a0", nil); err != nil {
		t.Fatal(err)
	}
	f.alias("hello", "more", function.AliasSpec{Version: 1})
	f.wantSame()
}
