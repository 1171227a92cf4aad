package function

import (
	"strings"
	"testing"
	"time"
)

func TestRunnerHealthAt(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		set    func(*Runner)
		reason string
	}{
		"well":                {func(*Runner) {}, ""},
		"just heard":          {func(r *Runner) { r.LastHeartbeat = now.Add(-HeartbeatTimeout + 1) }, ""},
		"silent":              {func(r *Runner) { r.LastHeartbeat = now.Add(-HeartbeatTimeout) }, "no heartbeat for 30 seconds"},
		"nearly full":         {func(r *Runner) { r.Health.MemoryUsage = MaxRunnerMemoryUsage - 0.01 }, ""},
		"full":                {func(r *Runner) { r.Health.MemoryUsage = MaxRunnerMemoryUsage }, "memory is used up"},
		"as many as it may":   {func(r *Runner) { r.Resources.MaxContainers, r.Health.ActiveContainers = 4, 4 }, ""},
		"more than it may":    {func(r *Runner) { r.Resources.MaxContainers, r.Health.ActiveContainers = 4, 5 }, "more instances"},
		"ill by its own word": {func(r *Runner) { r.Health.Healthy, r.Health.Reason = false, "containerd is gone" }, "containerd is gone"},
	} {
		r := &Runner{Health: Health{Healthy: true}, LastHeartbeat: now}
		tc.set(r)
		got := r.At(now)
		if got.Healthy != (tc.reason == "") || !strings.Contains(got.Reason, tc.reason) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
