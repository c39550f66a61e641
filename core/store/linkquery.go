package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/core/api"
	"github.com/rackswarm/rackswarm/core/unit"
)

// LinkQuery is what a node asks of links, and tells of itself, in one round trip.
type LinkQuery struct {
	All   bool            // what is known of all links
	Facts []unit.Location // what is known of these, without All
	// Own replaces the claims of a node on some links. What all nodes claim of these
	// is answered, and of Claims, too.
	Own    map[unit.Location]LinkClaim
	Claims []unit.Location
}

// LinkAnswer answers a LinkQuery. What could not be had is missing.
type LinkAnswer struct {
	// Facts are those of all links that were asked for, and with All of those of which
	// anything is known; nil if they could not be had.
	Facts map[unit.Location]LinkFacts
	// Claims are sorted by node, and younger than a minute. One that does not decode is
	// left out.
	Claims map[unit.Location][]LinkClaim
	// Kept is for how long the claims of each of these links have been kept without a
	// break: who has told one since, and told it again in time, is in Claims.
	Kept map[unit.Location]time.Duration
	// Troubles are the errors of links whose claims could not be had. Each is part of the
	// error of AskLinks, too.
	Troubles map[unit.Location]error
}

// LinkFacts are what is known of a link. A record that does not decode, or cannot be, is
// Unreadable: to take it for none would lift the link's limit. So is such a reading.
type LinkFacts struct {
	Record  *LinkRecord
	Reading *LinkReading
}

// AskLinks asks q. If not all could be had it returns the rest, and an error.
func (s *Store) AskLinks(ctx context.Context, q LinkQuery) (a LinkAnswer, err error) {
	var calls []call
	if q.facts() {
		calls = append(calls, call{linkFacts, s.keys.linkFacts(), q.places()})
	}
	claims, places, err := s.claimsCalls(q)
	if err != nil {
		return LinkAnswer{}, err
	}
	replies := s.runAll(ctx, slices.Concat(calls, claims))
	if q.facts() {
		var reply []string
		if reply, err = replies[0].StringSlice(); err == nil {
			a.Facts = decodeFacts(ctx, q.Facts, reply)
		}
		err, replies = s.wrap(err, "ask what is known of links"), replies[1:]
	}
	a.Claims, a.Kept, a.Troubles = map[unit.Location][]LinkClaim{}, map[unit.Location]time.Duration{}, map[unit.Location]error{}
	for i, l := range places {
		reply, errClaims := replies[i].StringSlice()
		if errClaims == nil {
			a.Claims[l], a.Kept[l] = decodeClaims(ctx, l, reply)
			continue
		}
		a.Troubles[l] = s.wrap(errClaims, "exchange claims on the link of %s", l)
		err = errors.Join(err, a.Troubles[l])
	}
	return a, err
}

func (q LinkQuery) facts() bool { return q.All || len(q.Facts) > 0 }

// places are what the script for facts is asked for, none for all.
func (q LinkQuery) places() (args []any) {
	if q.All {
		return nil
	}
	for _, l := range q.Facts {
		args = append(args, string(l))
	}
	return args
}

// claimsCalls returns the calls of all links of which claims are asked, and these
// links.
func (s *Store) claimsCalls(q LinkQuery) (calls []call, places []unit.Location, err error) {
	for l, c := range q.Own {
		if err := checkName(string(c.Node)); err != nil {
			return nil, nil, err
		}
		record, err := json.Marshal(c)
		if err != nil {
			return nil, nil, fmt.Errorf("encode the claim of %s on the link of %s: %w", c.Node, l, err)
		}
		calls, places = append(calls, s.claimsCall(l, string(c.Node), string(record))), append(places, l)
	}
	for _, l := range q.Claims {
		calls, places = append(calls, s.claimsCall(l, "", "")), append(places, l)
	}
	return calls, places, nil
}

// claimsCall reads the claims on a link, and has the store note that, after that of a node was replaced; "" is no
// node.
func (s *Store) claimsCall(l unit.Location, node, record string) call {
	return call{linkClaim, []string{s.keys.claims(l)}, []any{node, record, keepClaims.Milliseconds(), claimsBreak.Milliseconds()}}
}

// decodeFacts decodes what the script returned: the time now in ms, then location,
// record and reading by turns, "" for none. Of those that were asked for nothing may be
// known.
func decodeFacts(ctx context.Context, asked []unit.Location, reply []string) map[unit.Location]LinkFacts {
	all := map[unit.Location]LinkFacts{}
	for _, l := range asked {
		all[l] = LinkFacts{}
	}
	for i := 1; i+2 < len(reply); i += 3 {
		place, record, reading := reply[i], reply[i+1], reply[i+2]
		all[unit.Location(place)] = LinkFacts{decodeRecord(ctx, place, record), decodeReading(ctx, reply[0], place, reading)}
	}
	return all
}

// decodeRecord returns nil for no record, and for what is no link's.
func decodeRecord(ctx context.Context, place, text string) *LinkRecord {
	if text == "" {
		return nil
	}
	r, err := decodeOwn("link", place, text, func(r LinkRecord) string { return r.Location })
	if err != nil {
		slog.DebugContext(ctx, "record cannot be read", "error", err)
	}
	switch {
	case err == nil && r.sound():
		return &r
	case isLink(place):
		return &LinkRecord{Link: api.Link{Location: place}, Unreadable: true}
	}
	return nil
}

// decodeReading returns nil for no reading, and for what is no link's.
func decodeReading(ctx context.Context, now, place, text string) *LinkReading {
	if text == "" {
		return nil
	}
	for _, r := range decodeAged(ctx, "reading of link", []string{now, place, text}, func(r LinkReading) string { return string(r.Location) },
		func(r *LinkReading, age time.Duration) { r.Age = age }) {
		if r.sound() {
			return &r
		}
	}
	if !isLink(place) {
		return nil
	}
	return &LinkReading{Location: unit.Location(place), Unreadable: true}
}

// decodeClaims decodes the time now in ms, since when claims have been kept, and the
// claims as decodeAged does.
func decodeClaims(ctx context.Context, l unit.Location, reply []string) (all []LinkClaim, kept time.Duration) {
	if len(reply) < 2 {
		return nil, 0
	}
	now, errNow := strconv.ParseInt(reply[0], 10, 64)
	since, errSince := strconv.ParseInt(reply[1], 10, 64)
	if errNow == nil && errSince == nil {
		kept = apart(now, since)
	}
	reply = slices.Concat(reply[:1], reply[2:])
	all = decodeAged(ctx, "claim on the link of "+string(l)+" by", reply, func(c LinkClaim) string { return string(c.Node) },
		func(c *LinkClaim, age time.Duration) { c.Age = age })
	slices.SortFunc(all, func(a, b LinkClaim) int { return cmp.Compare(a.Node, b.Node) })
	return all, kept
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

// apart is the time between two times in ms, 146 years at most: ages are added to it.
func apart(a, b int64) time.Duration {
	const most = math.MaxInt64 / 2
	if d := max(a, b) - min(a, b); d >= 0 && d < most/int64(time.Millisecond) {
		return time.Duration(d) * time.Millisecond
	}
	return most
}
