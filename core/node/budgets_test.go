package node_test

import (
	"github.com/rackswarm/rackswarm/core/artifact"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/node"
	"github.com/rackswarm/rackswarm/core/unit"
)

// limit is a budget that an operator set.
func limit(rate unit.Rate) bandwidth.Budget {
	return bandwidth.NewBudget(bandwidth.Binding{Reason: bandwidth.Group, Rate: rate})
}

// limited bounds a transfer.
func limited(d artifact.Digest, download, upload unit.Rate) node.TransferLimited {
	return node.TransferLimited{Transfer: d, Download: limit(download), Upload: limit(upload)}
}
