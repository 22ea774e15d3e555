package stream

import "testing"

// Reliability R3, contract 24: request < transaction < session + rebalance, and
// an external call takes at most a third of the transaction. In another order a
// broker's restart would abort our own transactions.
func TestTimeoutsKeepTheirOrder(t *testing.T) {
	if requestTimeout >= txnTimeout || txnTimeout >= sessionTimeout+rebalanceTimeout {
		t.Errorf("request %v, transaction %v, session %v + rebalance %v", requestTimeout, txnTimeout, sessionTimeout, rebalanceTimeout)
	}
	if externalTimeout > txnTimeout/3 || 3*heartbeat > sessionTimeout {
		t.Errorf("external %v of %v, heartbeat %v of %v", externalTimeout, txnTimeout, heartbeat, sessionTimeout)
	}
}
