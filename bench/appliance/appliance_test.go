package appliance

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/skiffhq/skiff/bench/appliance/appliancetest"
	"github.com/skiffhq/skiff/bench/process"
	"github.com/skiffhq/skiff/core/client"
	"github.com/skiffhq/skiff/core/function"
)

func TestMain(m *testing.M) {
	appliancetest.Main()
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // of the children, which are many
	goleak.VerifyTestMain(m)
}

// home is an appliance of which the program is this test.
func home(t *testing.T) Home {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Home{Skiff: self, Dir: t.TempDir()}
}

func start(t *testing.T, h Home) *Appliance {
	t.Helper()
	a, err := h.Start(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestAnApplianceIsSetUpAsAnOperatorWould(t *testing.T) {
	a := start(t, home(t))
	token, err := a.Administer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Client(token)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	module := filepath.Join(t.TempDir(), "guest.wasm")
	if err := os.WriteFile(module, []byte("\x00asm"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Deploy(t.Context(), c, Deployment{Name: "f", Module: module, Handler: "main.handle"}); err != nil {
		t.Fatal(err)
	}
	r, err := c.InvokeRaw(t.Context(), client.RawInvocation{Function: "f", Payload: []byte("hello")})
	if err != nil || string(r.Body) != "hello" {
		t.Errorf("got %v, %v", r, err)
	}
	if u, err := process.Read(a.PID()); err != nil || u.RSS == 0 || a.Took() <= 0 {
		t.Errorf("usage %+v, %v; took %v", u, err, a.Took())
	}
}

func TestAnApplianceStartsAgainOnItsData(t *testing.T) {
	h := home(t)
	first := start(t, h)
	address := first.Address()
	for range 2 {
		if err := first.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Error("it still listens after Stop")
	}
	if second := start(t, h); second.PID() == first.PID() {
		t.Error("the same process")
	}
}

func TestAStartThatFailsTellsTheLog(t *testing.T) {
	t.Setenv(appliancetest.Environment, appliancetest.Broken)
	_, err := home(t).Start(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "no luck") || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("got %v", err)
	}
}

func TestAStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := home(t).Start(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAProgramThatIsNotThere(t *testing.T) {
	if _, err := (Home{Skiff: "/nowhere/skiff", Dir: t.TempDir()}).Start(t.Context(), ""); err == nil {
		t.Error("was started")
	}
}

func TestADeploymentLeavesTheRestToTheDefaults(t *testing.T) {
	f := Wanted(Deployment{Name: "f"})
	if f.Name != "f" || *f.Runtime != "wasm" || f.Handler != nil || f.Isolation != nil || f.MemoryMB != nil {
		t.Errorf("got %+v", f)
	}
	f = Wanted(Deployment{Name: "f", Handler: "main.handle", Isolation: function.IsolationInstance})
	if *f.Handler != "main.handle" || *f.Isolation != function.IsolationInstance {
		t.Errorf("got %+v", f)
	}
}
