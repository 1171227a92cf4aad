package function

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as ISO 8601 ("PT10M") and read
// as that or as Go's form ("10m").
type Duration time.Duration

// isoDuration allows weeks, days, hours, minutes and seconds. Years and months
// have no fixed length and are refused.
var isoDuration = regexp.MustCompile(`^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?$`)

var errDuration = errors.New(`must be an ISO 8601 duration such as "PT10M", or "10m"`)

// maxDuration keeps sums of parts far from overflow: ten years.
const maxDuration = 10 * 365 * 24 * time.Hour

// ParseDuration reads ISO 8601 (weeks to seconds) or Go's form. Negative
// durations and those over ten years are refused.
func ParseDuration(s string) (time.Duration, error) {
	if strings.HasPrefix(s, "P") {
		return parseISO(s)
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxDuration {
		return 0, errDuration
	}
	return d, nil
}

func parseISO(s string) (time.Duration, error) {
	m := isoDuration.FindStringSubmatch(s)
	if m == nil || s == "P" || strings.HasSuffix(s, "T") {
		return 0, errDuration
	}
	var sum float64
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			return 0, errDuration
		}
		sum += n * float64(unit)
	}
	if sum > float64(maxDuration) {
		return 0, errDuration
	}
	return time.Duration(sum), nil
}

// String returns the ISO 8601 form, "PT0S" for zero.
func (d Duration) String() string {
	v := time.Duration(d)
	if v == 0 {
		return "PT0S"
	}
	var b strings.Builder
	b.WriteString("P")
	if days := v / (24 * time.Hour); days > 0 {
		fmt.Fprintf(&b, "%dD", days)
		v -= days * 24 * time.Hour
	}
	if v == 0 {
		return b.String()
	}
	b.WriteString("T")
	if h := v / time.Hour; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
		v -= h * time.Hour
	}
	if m := v / time.Minute; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
		v -= m * time.Minute
	}
	if v > 0 {
		b.WriteString(strconv.FormatFloat(v.Seconds(), 'f', -1, 64) + "S")
	}
	return b.String()
}

// MarshalJSON writes the ISO 8601 form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a string; see ParseDuration.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return errDuration
	}
	v, err := ParseDuration(s)
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}
