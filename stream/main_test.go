package stream

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when a test leaves a goroutine behind: a worker that lives on
// would commit for its successor.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
