package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance }

// The table that every textbook has, for a two-sided 95 % and 99 %.
func TestQuantilesOfStudentsT(t *testing.T) {
	tests := []struct{ p, degrees, want float64 }{
		{0.975, 1, 12.706}, {0.975, 2, 4.303}, {0.975, 3, 3.182}, {0.975, 5, 2.571}, {0.975, 9, 2.262},
		{0.975, 19, 2.093}, {0.975, 30, 2.042}, {0.975, 120, 1.980}, {0.975, 1e6, 1.960},
		{0.995, 1, 63.657}, {0.995, 5, 4.032}, {0.995, 19, 2.861}, {0.5, 7, 0},
	}
	for _, tt := range tests {
		if got := Quantile(tt.p, tt.degrees); !near(got, tt.want, 0.0005) {
			t.Errorf("t(%g, %g) is %.4f, want %.3f", tt.p, tt.degrees, got, tt.want)
		}
	}
}

func TestRatioOfPairs(t *testing.T) {
	// ln of the ratios: 0.1, 0.2, 0.3; mean 0.2, deviation 0.1, t(2) = 4.303.
	as := []float64{math.Exp(0.1), 10 * math.Exp(0.2), 100 * math.Exp(0.3)}
	r, err := Paired(as, []float64{1, 10, 100})
	if err != nil {
		t.Fatal(err)
	}
	half := 4.3027 * 0.1 / math.Sqrt(3)
	if r.Pairs != 3 || !near(r.Value, math.Exp(0.2), 1e-9) || !near(r.Low, math.Exp(0.2-half), 1e-4) || !near(r.High, math.Exp(0.2+half), 1e-4) {
		t.Errorf("got %+v", r)
	}
	if r.Differs() {
		t.Error("an interval with 1 in it shows no difference")
	}
	if got := r.String(); got != "1.22 (0.953 to 1.57)" {
		t.Errorf("got %q", got)
	}
}

func TestRatioIgnoresWhatHitsBothHalves(t *testing.T) {
	r, err := Paired([]float64{2, 200, 2e6}, []float64{4, 400, 4e6})
	if err != nil || !near(r.Value, 0.5, 1e-12) || !near(r.High-r.Low, 0, 1e-9) || !r.Differs() {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestOnePairHasNoInterval(t *testing.T) {
	r, err := Paired([]float64{3}, []float64{2})
	if err != nil || r != (Ratio{1.5, 1.5, 1.5, 1}) && !near(r.Value, 1.5, 1e-12) || r.Differs() {
		t.Errorf("got %+v, %v", r, err)
	}
	if got := r.String(); got != "1.5 (one pair, no interval)" {
		t.Errorf("got %q", got)
	}
}

func TestWhatCannotBeComparedIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ as, bs []float64 }{
		"nothing":     {nil, nil},
		"not pairs":   {[]float64{1, 2}, []float64{1}},
		"zero":        {[]float64{1, 0}, []float64{1, 1}},
		"negative":    {[]float64{1}, []float64{-1}},
		"not numbers": {[]float64{math.NaN()}, []float64{1}},
		"infinite":    {[]float64{1}, []float64{math.Inf(1)}},
	} {
		if r, err := Paired(tt.as, tt.bs); err == nil {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

// TestIntervalsHoldTheTruthAsOftenAsTheySay draws pairs with a known ratio and
// a common drift. The generator is seeded: the outcome is always the same.
func TestIntervalsHoldTheTruthAsOftenAsTheySay(t *testing.T) {
	const rounds, truth = 2000, 0.97
	rng := rand.New(rand.NewPCG(1, 2))
	for _, pairs := range []int{3, 6, 20} {
		hits := 0
		for range rounds {
			as, bs := make([]float64, pairs), make([]float64, pairs)
			for i := range pairs {
				drift := math.Exp(rng.NormFloat64())
				as[i] = drift * truth * math.Exp(0.02*rng.NormFloat64())
				bs[i] = drift * math.Exp(0.02*rng.NormFloat64())
			}
			if r, err := Paired(as, bs); err == nil && r.Low <= truth && truth <= r.High {
				hits++
			}
		}
		if share := float64(hits) / rounds; !near(share, Confidence, 0.015) {
			t.Errorf("%d pairs: %.3f of the intervals hold the truth", pairs, share)
		}
	}
}
