// Package stats compares two servers that were measured in turn: how many
// times as fast one is as the other, and how sure that is.
//
// The machine's own drift (clock, caches, neighbours) is far larger than a few
// per cent, but hits both halves of a pair alike. So pairs are compared, not
// averages: the logarithm of each pair's ratio is one observation, their mean
// is the estimate, and Student's t gives the interval for it (the paired
// t-interval, e.g. Jain, The Art of Computer Systems Performance Analysis,
// §13.4.1; logarithms because ratios multiply: Fleming and Wallace, How not to
// lie with statistics, CACM 29(3), 1986).
//
// How the measurements are taken does not belong here.
package stats

import (
	"errors"
	"fmt"
	"math"
)

// Confidence is that of every interval here.
const Confidence = 0.95

// Ratio is an estimate of how many times as large one thing is as another.
type Ratio struct {
	Value float64 `json:"value"` // the geometric mean of the pairs' ratios
	Low   float64 `json:"low"`   // ends of the interval; 0 to +Inf is never given: see Pairs
	High  float64 `json:"high"`
	Pairs int     `json:"pairs"` // with one pair there is no interval: Low = High = Value
}

// Paired compares as[i] with bs[i], which must be positive and were measured
// one after the other.
func Paired(as, bs []float64) (Ratio, error) {
	if len(as) == 0 || len(as) != len(bs) {
		return Ratio{}, fmt.Errorf("compare %d measurements with %d: not pairs", len(as), len(bs))
	}
	logs := make([]float64, len(as))
	for i := range as {
		if !(as[i] > 0 && bs[i] > 0) || math.IsInf(as[i], 0) || math.IsInf(bs[i], 0) {
			return Ratio{}, errors.New("compare measurements: one of them is not a positive number")
		}
		logs[i] = math.Log(as[i] / bs[i])
	}
	mean, half := interval(logs)
	return Ratio{math.Exp(mean), math.Exp(mean - half), math.Exp(mean + half), len(as)}, nil
}

// interval returns the mean and half the width of its confidence interval.
func interval(xs []float64) (mean, half float64) {
	n := float64(len(xs))
	for _, x := range xs {
		mean += x / n
	}
	if n < 2 {
		return mean, 0
	}
	var squares float64
	for _, x := range xs {
		squares += (x - mean) * (x - mean)
	}
	return mean, Quantile((1+Confidence)/2, n-1) * math.Sqrt(squares/(n-1)/n)
}

// Differs reports whether the interval leaves 1 out: the difference is more
// than chance.
func (r Ratio) Differs() bool { return r.Pairs > 1 && (r.Low > 1 || r.High < 1) }

// String is, for example, "0.47 (0.45 to 0.49)".
func (r Ratio) String() string {
	if r.Pairs < 2 {
		return fmt.Sprintf("%.3g (one pair, no interval)", r.Value)
	}
	return fmt.Sprintf("%.3g (%.3g to %.3g)", r.Value, r.Low, r.High)
}
