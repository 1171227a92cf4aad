package function

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDurationReadsBothForms(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"PT10M": 10 * time.Minute, "10m": 10 * time.Minute, "PT0S": 0, "P1DT2H3M4.5S": 26*time.Hour + 3*time.Minute + 4500*time.Millisecond,
		"P2W": 14 * 24 * time.Hour, "PT1H": time.Hour, "250ms": 250 * time.Millisecond, "P3650D": maxDuration,
	} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "P", "PT", "P1DT", "P1Y", "P1M", "-PT1S", "-1s", "10", "PT1.5H", "P3651D", "P99999999999999999999D", "pt1s"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestDurationIsWrittenAsISO(t *testing.T) {
	for want, in := range map[string]time.Duration{
		`"PT0S"`: 0, `"PT5M"`: 5 * time.Minute, `"P1D"`: 24 * time.Hour, `"P1DT1H0.5S"`: 25*time.Hour + 500*time.Millisecond,
	} {
		got, err := json.Marshal(Duration(in))
		if err != nil || string(got) != want {
			t.Errorf("%v: %s, %v", in, got, err)
		}
		var back Duration
		if err := json.Unmarshal(got, &back); err != nil || time.Duration(back) != in {
			t.Errorf("%s read back as %v, %v", got, back, err)
		}
	}
	var d Duration
	if err := json.Unmarshal([]byte("5"), &d); err == nil {
		t.Error("a bare number was accepted")
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"PT10M", "P1DT2H", "10m", "PT0.5S", "P2W"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if again, err := ParseDuration(Duration(d).String()); err != nil || again-d > 1 || d-again > 1 {
			t.Errorf("%q is %v, written %s, read %v, %v", s, d, Duration(d), again, err)
		}
	})
}
