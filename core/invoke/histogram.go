package invoke

import (
	"math/bits"
	"slices"
	"time"
)

// Durations are counted in buckets of microseconds. Below 2^subBits every
// value has a bucket; above, each power of two is cut into 2^subBits equal
// ones. A bucket reports its middle, which is at most half a bucket, or
// 1 / 2^(subBits+1) = 3.2 % of the value, from anything counted in it.
const (
	subBits    = 4
	sub        = 1 << subBits
	maxMicros  = 1<<30 - 1 // 1073 s; the longest timeout is 900 s
	numBuckets = (30 - subBits + 1) * sub
)

// bucketOf returns the bucket of a duration.
func bucketOf(d time.Duration) int {
	us := uint64(min(max(d.Microseconds(), 0), maxMicros))
	if us < sub {
		return int(us)
	}
	octave := bits.Len64(us) - 1 - subBits // 0 for the first that is cut
	return (octave+1)<<subBits + int(us>>octave)&(sub-1)
}

// middle returns the value that a bucket reports.
func middle(bucket int) time.Duration {
	if bucket < sub {
		return time.Duration(bucket)*time.Microsecond + 500*time.Nanosecond
	}
	octave := bucket>>subBits - 1
	low := time.Duration(sub+bucket&(sub-1)) << octave * time.Microsecond
	return low + time.Microsecond<<octave/2
}

// cell is a bucket that is not empty. A closed slot keeps a short list of
// them, by bucket, in place of the whole histogram.
type cell struct {
	bucket uint16
	count  uint32
}

// compact returns the cells of a histogram.
func compact(hist *[numBuckets]uint32) []cell {
	n := 0
	for _, c := range hist {
		if c > 0 {
			n++
		}
	}
	cells := make([]cell, 0, n)
	for i, c := range hist {
		if c > 0 {
			cells = append(cells, cell{uint16(i), c})
		}
	}
	return cells
}

// merge adds the cells of b to those of a, which it may reuse.
func merge(a, b []cell) []cell {
	for _, c := range b {
		i, found := slices.BinarySearchFunc(a, c.bucket, func(x cell, bucket uint16) int {
			return int(x.bucket) - int(bucket)
		})
		if found {
			a[i].count += c.count
		} else {
			a = slices.Insert(a, i, c)
		}
	}
	return a
}

// quantile returns the duration that the share q of what hist counts does not
// exceed, 0 for an empty one. The rank is the nearest, as in a sorted list.
func quantile(hist *[numBuckets]uint64, q float64) time.Duration {
	var total uint64
	for _, c := range hist {
		total += c
	}
	rank := uint64(q*float64(total) + 0.999999)
	for i, c := range hist {
		if c > 0 && c >= rank {
			return middle(i)
		}
		rank -= min(c, rank)
	}
	return 0
}
