package reconcile

import (
	"errors"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

const (
	firstRetry = time.Second
	lastRetry  = 60 * time.Second
	// slowRetry is the first wait after an error that a person has to mend.
	slowRetry = 15 * time.Second
)

// retryDelay returns how long to wait after the n-th failure in a row (from 1):
// doubling up to a minute, with up to a quarter taken off by chance so that nodes
// that failed together do not return together.
func retryDelay(n int, err *api.Error, rng *unit.Rand) time.Duration {
	d := firstRetry
	if err != nil && mendedByHand(err.Code) {
		d = slowRetry
	}
	for ; n > 1 && d < lastRetry; n-- {
		d *= 2
	}
	d = min(d, lastRetry)
	return d - rng.Jitter(d/4)
}

func mendedByHand(code string) bool {
	switch code {
	case api.CodeNoSpace, api.CodeQuota, api.CodeForeignContent, api.CodeOutsideRoots, api.CodeUntrusted, api.CodeInvalid:
		return true
	}
	return false
}

// asAPIError returns the error that the user is shown.
func asAPIError(err error, subject string) *api.Error {
	var e *api.Error
	if errors.As(err, &e) {
		return e
	}
	return &api.Error{Code: api.CodeInternal, Subject: subject, Message: err.Error(),
		Fix: "it is tried again; see the agent's log on this node if it stays"}
}
