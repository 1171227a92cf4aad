package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"
)

// pairedRounds is how many pairs a claim of a few per cent takes.
const pairedRounds = 20

// Settings are what a user chooses. The zero value takes the scenario's own.
type Settings struct {
	Rate        float64       // open loop alone, at so many requests a second
	Connections int           // of the loop that is run; without Rate, closed loop alone
	Duration    time.Duration // how long each side is loaded in all
	Rounds      int           // alternations between appliance and baseline
	Paired      bool          // at least 20 rounds
	NoBaseline  bool
	Functions   int // of "start"; 0: 10,000

	Skiff     string // path of the program
	Self      string // path of this program, for the baseline
	Server    string // URL of a running appliance, instead of one of our own
	TokenFile string // with Server
	ServerPID int    // with Server on this host: whose costs to read; 0: nobody's
	Keep      bool   // leave the working directory behind

	Progress io.Writer // a terminal; nil: no progress is shown
	Log      io.Writer // where to tell what happens; nil: nowhere
}

// loop is one way of loading, settled.
type loop struct {
	rate        float64 // 0: closed
	connections int
	rounds      int
	each        time.Duration // one round of the appliance
	baseline    time.Duration // one round of the baseline
}

// briefly is enough of the baseline where there is but one round of it and
// nothing is claimed from it.
const briefly = 10 * time.Second

// shortest is a round that still means something.
const shortest = 200 * time.Millisecond

// Check refuses what makes no sense for the scenario, as Run does.
func (s *Settings) Check(sc Scenario) error {
	if sc.Open.Rate == 0 {
		if s.Server != "" {
			return fmt.Errorf("%s starts appliances of its own; --server is not for it", sc.Name)
		}
		return s.check()
	}
	if _, err := s.loops(&sc); err != nil {
		return err
	}
	return s.check()
}

func (s *Settings) check() error {
	switch {
	case s.Rate < 0 || s.Connections < 0 || s.Duration < 0 || s.Rounds < 0 || s.Functions < 0 || s.ServerPID < 0:
		return errors.New("settings must not be negative")
	case (s.Server == "") != (s.TokenFile == ""):
		return errors.New("--server and --token-file go together")
	case s.ServerPID > 0 && s.Server == "":
		return errors.New("--server-pid is for --server")
	}
	return nil
}

// loops settles what to run: both loops, or the one that the settings ask for.
func (s *Settings) loops(sc *Scenario) ([]loop, error) {
	var ls []loop
	switch {
	case s.Rate > 0:
		ls = []loop{s.open(sc)}
	case s.Connections > 0 || s.Rounds > 0 || s.Paired:
		ls = []loop{s.closed(sc)}
	default:
		ls = []loop{s.open(sc), s.closed(sc)}
	}
	for _, l := range ls {
		if l.each < shortest {
			return nil, fmt.Errorf("%d rounds of %v are too short: ask for a longer --duration or fewer --rounds", l.rounds, l.each)
		}
	}
	return ls, nil
}

// open is one long round, since a rate has to be held without a break, unless
// rounds are asked for.
func (s *Settings) open(sc *Scenario) loop {
	l := loop{rate: cmp.Or(s.Rate, sc.Open.Rate), connections: cmp.Or(s.Connections, sc.Open.Connections), rounds: s.rounds(1)}
	l.each = cmp.Or(s.Duration, sc.Open.Duration) / time.Duration(l.rounds)
	l.baseline = l.each
	if l.rounds == 1 {
		l.baseline = min(l.each, briefly)
	}
	return l
}

func (s *Settings) closed(sc *Scenario) loop {
	l := loop{connections: cmp.Or(s.Connections, sc.Closed.Connections), rounds: s.rounds(sc.Closed.Rounds), each: sc.Closed.Each}
	if s.Duration > 0 {
		l.each = s.Duration / time.Duration(l.rounds)
	}
	l.baseline = l.each
	return l
}

func (s *Settings) rounds(otherwise int) int {
	n := cmp.Or(s.Rounds, otherwise)
	if s.Paired {
		n = max(n, pairedRounds)
	}
	return n
}
