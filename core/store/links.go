package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/bandwidth"
	"github.com/rackswarm/rackswarm/core/unit"
)

// LinkRecord is what operators said of a link last.
type LinkRecord struct {
	api.Link
	// Cleared: it counts no more, and nothing else is said. The record stays, so that
	// a store that lost its data can be told from an operator who took it back.
	Cleared bool `json:"cleared,omitempty"`
	// Unreadable: something is said of the link that this version cannot read, or that
	// cannot be. Nothing else is known of it.
	Unreadable bool `json:"-"`
}

// sound reports whether what is said can be.
func (r LinkRecord) sound() bool {
	if r.Cleared {
		return isLink(r.Location)
	}
	return r.Validate() == nil
}

// isLink reports whether what a record or a reading is kept under is a location that has
// an uplink: any but the root.
func isLink(place string) bool {
	l, err := unit.ParseLocation(place)
	return err == nil && l != unit.Root
}

// LinkReading is what is known of how much of a location's uplink is used, in bytes
// per second on the wire.
type LinkReading struct {
	Location unit.Location `json:"location"`
	Source   string        `json:"source"` // such as "device 10.0.0.1:161"
	Node     unit.NodeID   `json:"node"`   // that asks the source
	// Measured: Up and Down are known. Else only the capacities may be.
	Measured     bool      `json:"measured"`
	UpCapacity   unit.Rate `json:"up_capacity"` // 0 if not known
	DownCapacity unit.Rate `json:"down_capacity"`
	UpOthers     unit.Rate `json:"up_others"` // used by others than the fleet
	DownOthers   unit.Rate `json:"down_others"`
	UpOurs       unit.Rate `json:"up_ours"` // used by the fleet in the same time
	DownOurs     unit.Rate `json:"down_ours"`
	// Warnings are what is wrong with the source now.
	Warnings []api.LinkWarning `json:"warnings,omitempty"`
	// Unreadable: what was said cannot be read by this version, or cannot be. Nothing
	// else is known.
	Unreadable bool `json:"-"`
	// Age is that of the measurement, or of what is said instead of one, by the
	// store's clock.
	Age time.Duration `json:"-"`
}

// LinkClaim is what a node wants of a link, and what it has moved over it.
type LinkClaim struct {
	Node unit.NodeID `json:"node"`
	// Up and Down are what it could use, by the name of the rank, in bytes per second
	// on the wire.
	Up   map[string]unit.Rate `json:"up,omitempty"`
	Down map[string]unit.Rate `json:"down,omitempty"`
	// MovedUp and MovedDown are on the wire, since any beginning.
	MovedUp   unit.Bytes `json:"moved_up"`
	MovedDown unit.Bytes `json:"moved_down"`
	// UsedUp and UsedDown are how fast it moves bytes now, on the wire.
	UsedUp   unit.Rate `json:"used_up,omitempty"`
	UsedDown unit.Rate `json:"used_down,omitempty"`
	// Age is for how long it has stood, by the store's clock.
	Age time.Duration `json:"-"`
}

const (
	// keepClaims is for those who compare what was moved with a device's counters.
	keepClaims = time.Minute
	// claimsBreak is after how long without a question some claims may have been lost, as
	// in a server that started again from what it had saved: as long as one counts.
	claimsBreak = bandwidth.ClaimLife
)

// PutLink creates or replaces what an operator says of l.Location. Watchers hear of it.
func (s *Store) PutLink(ctx context.Context, l api.Link) error {
	record, err := json.Marshal(LinkRecord{Link: l})
	if err != nil {
		return fmt.Errorf("encode the link of %s: %w", l.Location, err)
	}
	err = atomically(ctx, s.client, func(p redis.Pipeliner) error {
		p.HSet(ctx, s.keys.links(), l.Location, record)
		s.tellLinksWith(ctx, p)
		return nil
	})
	return s.wrap(err, "put the link of %s", l.Location)
}

// DeleteLink has what an operator said of a link count no more, and forgets what was
// read of it last. Without anyway it returns ErrNotFound if there is neither: nodes may
// know of a link what a store that lost its data does not. Watchers hear of it.
func (s *Store) DeleteLink(ctx context.Context, location unit.Location, anyway bool) error {
	cleared, err := clearedLink(location)
	if err != nil {
		return err
	}
	was, err := s.run(ctx, linkClear, s.keys.linkFacts(), string(location), cleared, anyway, s.keys.controlsChannel(), linksMessage).Bool()
	if err == nil && !was {
		return unknownLink(location)
	}
	return s.wrap(err, "delete the link of %s", location)
}

// clearedLink is the record of a link of which was taken back what was said.
func clearedLink(location unit.Location) ([]byte, error) {
	record, err := json.Marshal(LinkRecord{Link: api.Link{Location: string(location)}, Cleared: true})
	if err != nil {
		return nil, fmt.Errorf("encode the link of %s: %w", location, err)
	}
	return record, nil
}

func unknownLink(location unit.Location) error {
	return notFound("delete link", string(location), "no operator said anything of this link, and nothing was measured", "what agents' files say of it stays: change links or devices of agent.yaml")
}

// RestoreLinks puts records of links of which the store has none, as it lost its data,
// and returns the locations of those that it put. Watchers hear of it.
func (s *Store) RestoreLinks(ctx context.Context, records []LinkRecord) (put []unit.Location, err error) {
	done := make([]*redis.BoolCmd, len(records))
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, r := range records {
			record, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("encode the link of %s: %w", r.Location, err)
			}
			done[i] = p.HSetNX(ctx, s.keys.links(), r.Location, record)
		}
		return nil
	})
	if err != nil {
		return nil, s.wrap(err, "restore links")
	}
	for i, d := range done {
		if d.Val() {
			put = append(put, unit.Location(records[i].Location))
		}
	}
	if len(put) == 0 {
		return nil, nil
	}
	return put, s.tellLinks(ctx)
}

// linksMessage on the channel of controls says that links changed.
const linksMessage = "links"

// tellLinksWith queues the message in p, so that it is published only, and whenever, the
// change is made.
func (s *Store) tellLinksWith(ctx context.Context, p redis.Pipeliner) {
	p.Publish(ctx, s.keys.controlsChannel(), linksMessage)
}

func (s *Store) tellLinks(ctx context.Context) error {
	return s.wrap(s.client.Publish(ctx, s.keys.controlsChannel(), linksMessage).Err(), "tell of links")
}

// PutReadings replaces the readings of links by others, each Age old.
func (s *Store) PutReadings(ctx context.Context, readings ...LinkReading) error {
	var args []any
	for _, r := range readings {
		record, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode the reading of %s: %w", r.Location, err)
		}
		args = append(args, string(r.Location), r.Age.Milliseconds(), record)
	}
	err := s.run(ctx, readingsPut, []string{s.keys.readings()}, args...).Err()
	return s.wrap(err, "put readings of links")
}

// sound reports whether what is said can be.
func (r LinkReading) sound() bool {
	_, err := unit.ParseLocation(string(r.Location))
	return err == nil && min(r.UpCapacity, r.DownCapacity, r.UpOthers, r.DownOthers, r.UpOurs, r.DownOurs) >= 0
}
