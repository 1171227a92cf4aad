package api

import "time"

// watchEvery is how often slow requests are looked at. A client that goes is
// noticed one to two times that later.
const watchEvery = 50 * time.Millisecond

// watch ends the requests of clients that have gone, until stop is closed. A
// fast request costs it nothing: only one that was there a round ago already
// is looked at, by one system call. Without connections it sleeps.
func (t *connTable) watch(stop <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if t.round() > 0 {
			continue
		}
		tick.Stop()
		select {
		case <-stop:
			return
		case <-t.arrived:
			tick.Reset(watchEvery)
		}
	}
}

// round looks once at every slow request and returns how many connections are
// open.
func (t *connTable) round() (open int) {
	slow, open := t.pick((*conn).slow)
	for _, c := range slow {
		if c.gone() {
			c.watched.end(errClientGone)
		}
	}
	return open
}

// slow reports whether the connection has been serving the same request since
// it was asked last. Contexts are not used again, so an equal pointer is the
// same request.
func (c *conn) slow() bool {
	now := c.current.Load()
	same := now != nil && now == c.watched
	c.watched = now
	return same
}
