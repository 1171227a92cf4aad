package stats

import "math"

// Quantile returns the p-quantile of Student's t distribution, for 0.5 ≤ p < 1
// and any positive number of degrees of freedom.
func Quantile(p, degrees float64) float64 {
	low, high := 0.0, 1.0
	for cumulative(high, degrees) < p {
		low, high = high, 2*high
	}
	for range 100 { // each halves the interval, far below the precision of a float
		if mid := (low + high) / 2; cumulative(mid, degrees) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// cumulative is the distribution function for t ≥ 0 (DLMF 8.17, Abramowitz and
// Stegun 26.7.1).
func cumulative(t, degrees float64) float64 {
	return 1 - beta(degrees/(degrees+t*t), degrees/2, 0.5)/2
}

// beta is the regularised incomplete beta function, by its continued fraction
// (DLMF 8.17.22) on the side where that converges fast.
func beta(x, a, b float64) float64 {
	if x <= 0 || x >= 1 {
		return min(max(x, 0), 1)
	}
	if x > (a+1)/(a+b+2) {
		return 1 - beta(1-x, b, a)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a * fraction(x, a, b)
}

// fraction evaluates 1/(1+d1/(1+d2/(1+…))) from behind.
func fraction(x, a, b float64) float64 {
	const depth = 200
	f := 1.0
	for n := depth; n >= 1; n-- {
		m := float64(n / 2)
		var d float64
		if n%2 == 0 {
			d = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		} else {
			d = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		f = 1 + d/f
	}
	return 1 / f
}
