package stream

import "time"

// limits are a process's times and bounds. Tests shorten them; nobody else
// changes them.
type limits struct {
	session, heartbeat, rebalance, txn time.Duration
	metadata                           time.Duration // a new topic or partition is seen within this
	// A worker recreated more often than recreations within window ends the
	// process (contract 25).
	recreations int
	window      time.Duration
	stuck       time.Duration // a loop that does not turn for this ends the process (reliability R4)
	live        time.Duration // … and fails /livez for this
	control     time.Duration // between looks at the control topic
	clock       time.Duration // between questions for the broker's time
}

func defaultLimits() limits {
	return limits{
		session: sessionTimeout, heartbeat: heartbeat, rebalance: rebalanceTimeout, txn: txnTimeout,
		metadata: 30 * time.Second, recreations: 5, window: 10 * time.Minute,
		stuck: 3 * txnTimeout, live: 30 * time.Second, control: 500 * time.Millisecond, clock: 30 * time.Second,
	}
}
