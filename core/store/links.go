package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

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
	// keepReadings is how long a link whose source is silent is still known as one
	// that somebody measures.
	keepReadings = 24 * time.Hour
	// keepClaims is for those who compare what was moved with a device's counters.
	keepClaims = time.Minute
)

// PutLink creates or replaces what an operator says of l.Location. Watchers hear of it.
func (s *Store) PutLink(ctx context.Context, l api.Link) error {
	record, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode the link of %s: %w", l.Location, err)
	}
	if err := s.client.HSet(ctx, s.keys.links(), l.Location, record).Err(); err != nil {
		return s.wrap(err, "put the link of %s", l.Location)
	}
	return s.tellLinks(ctx)
}

// DeleteLink forgets what an operator said of a link, and what was read of it last.
// It returns ErrNotFound if there is neither. Watchers hear of it.
func (s *Store) DeleteLink(ctx context.Context, location unit.Location) error {
	var gone []*redis.IntCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		gone = append(gone, p.HDel(ctx, s.keys.links(), string(location)), p.HDel(ctx, s.keys.readings(), string(location)))
		return nil
	})
	if err != nil {
		return s.wrap(err, "delete the link of %s", location)
	}
	if gone[0].Val()+gone[1].Val() == 0 {
		return notFound("delete link", string(location), "no operator said anything of this link, and nothing was measured", "what agents' files say of it stays: change links or devices of agent.yaml")
	}
	return s.tellLinks(ctx)
}

func (s *Store) tellLinks(ctx context.Context) error {
	return s.wrap(s.client.Publish(ctx, s.keys.controlsChannel(), "links").Err(), "tell of links")
}

// Links returns what operators say of links, sorted by location. A record that does
// not decode, or says nothing that can be, is left out.
func (s *Store) Links(ctx context.Context) ([]api.Link, error) {
	records, err := s.client.HGetAll(ctx, s.keys.links()).Result()
	if err != nil {
		return nil, s.wrap(err, "list links")
	}
	all := decodeSound(ctx, "link", records, func(l api.Link) string { return l.Location })
	all = slices.DeleteFunc(all, func(l api.Link) bool { return l.Validate() != nil })
	slices.SortFunc(all, func(a, b api.Link) int { return cmp.Compare(a.Location, b.Location) })
	return all, nil
}

// PutReading replaces the reading of r.Location by one that is r.Age old.
func (s *Store) PutReading(ctx context.Context, r LinkReading) error {
	record, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the reading of %s: %w", r.Location, err)
	}
	err = s.run(ctx, readingPut, []string{s.keys.readings()}, string(r.Location), r.Age.Milliseconds(), record).Err()
	return s.wrap(err, "put the reading of %s", r.Location)
}

// Readings returns the last readings of all links that somebody measures, by
// location. One that does not decode, or was not renewed for a day, is left out.
func (s *Store) Readings(ctx context.Context) (map[unit.Location]LinkReading, error) {
	records, err := s.run(ctx, readingsList, []string{s.keys.readings()}).StringSlice()
	if err != nil {
		return nil, s.wrap(err, "list readings of links")
	}
	all := map[unit.Location]LinkReading{}
	for _, r := range decodeAged(ctx, "reading of link", records, func(r LinkReading) string { return string(r.Location) },
		func(r *LinkReading, age time.Duration) { r.Age = age }) {
		if r.Age < keepReadings && r.sound() {
			all[r.Location] = r
		}
	}
	return all, nil
}

// sound reports whether what is said can be.
func (r LinkReading) sound() bool {
	_, err := unit.ParseLocation(string(r.Location))
	return err == nil && min(r.UpCapacity, r.DownCapacity, r.UpOthers, r.DownOthers, r.UpOurs, r.DownOurs) >= 0
}

// Claims returns the claims of all nodes on a location's uplink that are younger than
// a minute, sorted by node. One that does not decode is left out.
func (s *Store) Claims(ctx context.Context, location unit.Location) ([]LinkClaim, error) {
	return s.claims(ctx, location, "", "")
}

// Claim replaces the node's claim on a location's uplink, and returns those of all
// nodes, as Claims does.
func (s *Store) Claim(ctx context.Context, location unit.Location, c LinkClaim) ([]LinkClaim, error) {
	if err := checkName(string(c.Node)); err != nil {
		return nil, err
	}
	record, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the claim of %s on the link of %s: %w", c.Node, location, err)
	}
	return s.claims(ctx, location, string(c.Node), string(record))
}

func (s *Store) claims(ctx context.Context, location unit.Location, node, record string) ([]LinkClaim, error) {
	records, err := s.run(ctx, linkClaim, []string{s.keys.claims(location)}, node, record, keepClaims.Milliseconds()).StringSlice()
	if err != nil {
		return nil, s.wrap(err, "exchange claims on the link of %s", location)
	}
	all := decodeAged(ctx, "claim on the link of "+string(location)+" by", records, func(c LinkClaim) string { return string(c.Node) },
		func(c *LinkClaim, age time.Duration) { c.Age = age })
	slices.SortFunc(all, func(a, b LinkClaim) int { return cmp.Compare(a.Node, b.Node) })
	return all, nil
}

// decodeAged decodes what a script returned of a hash whose values are "<ms> <JSON>":
// the time now in ms, then names and values by turns. What does not decode is left
// out. A value of later than now, as the store's clock was put back or another server
// took over, is as old as it is early: nobody knows, and who lives renews it.
func decodeAged[T any](ctx context.Context, kind string, reply []string, name func(T) string, setAge func(*T, time.Duration)) []T {
	records, ages := map[string]string{}, map[string]time.Duration{}
	if len(reply) == 0 {
		return nil
	}
	now, _ := strconv.ParseInt(reply[0], 10, 64)
	for i := 1; i+1 < len(reply); i += 2 {
		at, record, _ := strings.Cut(reply[i+1], " ")
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			continue
		}
		records[reply[i]], ages[reply[i]] = record, apart(now, ms)
	}
	all := decodeSound(ctx, kind, records, name)
	for i := range all {
		setAge(&all[i], ages[name(all[i])])
	}
	return all
}

// apart is the time between two times in ms.
func apart(a, b int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	if d := max(a, b) - min(a, b); d >= 0 && d < most {
		return time.Duration(d) * time.Millisecond
	}
	return math.MaxInt64
}
