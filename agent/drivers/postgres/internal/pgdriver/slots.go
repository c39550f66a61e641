package pgdriver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rackswarm/rackswarm/agent/drivers/postgres/internal/pgfiles"
	"github.com/rackswarm/rackswarm/core/pluginapi"
)

// Slots of runs and of members have names of their own, so that none can be taken
// for another.
const (
	pinPrefix    = "rackswarm_pin_"
	memberPrefix = "rackswarm_member_"
)

// slotName makes a slot's name of prefix and name: at most 63 of a-z, 0-9 and _.
// What does not fit is replaced, and told apart by a digest.
func slotName(prefix, name string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, name)
	const longest = 63
	if plain == name && len(prefix)+len(name) <= longest {
		return prefix + name
	}
	sum := sha256.Sum256([]byte(name))
	digest := "_" + hex.EncodeToString(sum[:6])
	return prefix + plain[:min(len(plain), longest-len(prefix)-len(digest))] + digest
}

// holder is where the log is kept for those who are restored: the instance, or
// the primary of a replica, as it is the primary that they will follow.
type holder interface {
	create(ctx context.Context, slot string) error // stateDuplicate if it stands
	read(ctx context.Context, slot string) (pin pluginapi.Pin, found bool, err error)
	drop(ctx context.Context, slot string) error // stateUndefined if there is none
}

func (in *instance) holder(ctx context.Context) (holder, error) {
	pid, err := in.server()
	if err != nil {
		return nil, err
	}
	if pid == 0 {
		return nil, fault(pluginapi.CodeState, in.DataDir, "start it", "the instance does not run")
	}
	row, err := in.query(ctx, "SELECT pg_is_in_recovery()")
	if err != nil {
		return nil, asUnreachable(err, in.DataDir)
	}
	if row[0] != "t" {
		return localSlots{in}, nil
	}
	if major, _ := strconv.Atoi(in.major); major < 15 {
		return nil, fault(pluginapi.CodeUnsupported, in.DataDir, "capture from the primary", "a replica's primary tells the state of its slots from PostgreSQL 15 on")
	}
	return primarySlots{in}, nil
}

// asUnreachable says of a server that takes no connections yet to try again.
func asUnreachable(err error, subject string) error {
	if errors.Is(err, errStarting) {
		return fault(pluginapi.CodeUnreachable, subject, "try again when it has started", "the server takes no connections now")
	}
	var e *sqlError
	if errors.As(err, &e) {
		return fault(pluginapi.CodeState, subject, "", "%s", e.message)
	}
	return err
}

// localSlots are those of the instance, by SQL.
type localSlots struct{ in *instance }

func (l localSlots) create(ctx context.Context, slot string) error {
	_, err := l.in.query(ctx, fmt.Sprintf("SELECT pg_create_physical_replication_slot('%s', true)", slot))
	return err
}

func (l localSlots) read(ctx context.Context, slot string) (pluginapi.Pin, bool, error) {
	row, err := l.in.query(ctx, fmt.Sprintf("SELECT coalesce(restart_lsn::text, ''), coalesce(wal_status, '') FROM pg_replication_slots WHERE slot_name = '%s'", slot))
	if err != nil || len(row) < 2 {
		return pluginapi.Pin{}, false, err
	}
	return pluginapi.Pin{ID: slot, Position: row[0], Lost: row[0] == "" || row[1] == "lost"}, true, nil
}

func (l localSlots) drop(ctx context.Context, slot string) error {
	_, err := l.in.query(ctx, fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", slot))
	return err
}

// primarySlots are those of the instance's primary, by replication commands.
type primarySlots struct{ in *instance }

func (p primarySlots) create(ctx context.Context, slot string) error {
	_, err := p.in.replicate(ctx, "CREATE_REPLICATION_SLOT "+slot+" PHYSICAL RESERVE_WAL")
	return err
}

// read needs PostgreSQL 15.
func (p primarySlots) read(ctx context.Context, slot string) (pluginapi.Pin, bool, error) {
	row, err := p.in.replicate(ctx, "READ_REPLICATION_SLOT "+slot)
	if err != nil || len(row) < 2 || row[0] == "" {
		return pluginapi.Pin{}, false, err
	}
	return pluginapi.Pin{ID: slot, Position: row[1], Lost: row[1] == ""}, true, nil
}

func (p primarySlots) drop(ctx context.Context, slot string) error {
	_, err := p.in.replicate(ctx, "DROP_REPLICATION_SLOT "+slot)
	return err
}

// Pin implements pluginapi.DatabaseDriver by a physical slot.
func (d Driver) Pin(ctx context.Context, t pluginapi.Target, name string) (pluginapi.Pin, error) {
	in, h, err := openHolder(ctx, t)
	if err != nil {
		return pluginapi.Pin{}, err
	}
	slot := slotName(pinPrefix, name)
	if err := h.create(ctx, slot); err != nil && stateOf(err) != stateDuplicate {
		return pluginapi.Pin{}, asUnreachable(err, in.DataDir)
	}
	pin, found, err := h.read(ctx, slot)
	if err == nil && !found {
		err = fault(pluginapi.CodeState, "slot "+slot, "try again", "it was dropped at once by somebody else")
	}
	return pin, asUnreachable(err, in.DataDir)
}

// PinStatus implements pluginapi.DatabaseDriver. A slot that is gone is lost.
func (d Driver) PinStatus(ctx context.Context, t pluginapi.Target, name string) (pluginapi.Pin, error) {
	in, h, err := openHolder(ctx, t)
	if err != nil {
		return pluginapi.Pin{}, err
	}
	slot := slotName(pinPrefix, name)
	pin, found, err := h.read(ctx, slot)
	if err == nil && !found {
		pin = pluginapi.Pin{ID: slot, Lost: true}
	}
	return pin, asUnreachable(err, in.DataDir)
}

// Unpin implements pluginapi.DatabaseDriver.
func (d Driver) Unpin(ctx context.Context, t pluginapi.Target, name string) error {
	in, h, err := openHolder(ctx, t)
	if err != nil {
		return err
	}
	return asUnreachable(dropSlot(ctx, h, slotName(pinPrefix, name)), in.DataDir)
}

func openHolder(ctx context.Context, t pluginapi.Target) (*instance, holder, error) {
	in, err := existing(t)
	if err != nil {
		return nil, nil, err
	}
	h, err := in.holder(ctx)
	return in, h, err
}

// dropSlot drops a slot; none there is no error. Who used the slot may just be
// gone, which the server notices soon.
func dropSlot(ctx context.Context, h holder, slot string) error {
	const tries, pause = 10, 300 * time.Millisecond
	for try := 1; ; try++ {
		err := h.drop(ctx, slot)
		switch {
		case err == nil || stateOf(err) == stateUndefined:
			return nil
		case stateOf(err) != stateInUse:
			return err
		case try == tries:
			return fault(pluginapi.CodeState, "slot "+slot, "stop who uses it, then try again", "it is in use: %v", err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cleanup implements pluginapi.DatabaseDriver: it drops the member's slot on the
// primary, unless what stands at the data directory, such as the data that were
// brought back, follows by that slot.
func (d Driver) Cleanup(ctx context.Context, t pluginapi.Target, member string) error {
	in, _, err := open(t)
	if err != nil {
		return err
	}
	slot := slotName(memberPrefix, member)
	if len(in.primary.Keys()) == 0 || in.slotOfData() == slot {
		return nil
	}
	return asUnreachable(dropSlot(ctx, primarySlots{in}, slot), "primary "+in.primaryName())
}

// slotOfData is the slot by which the data at the data directory follow, "" for
// none. Data that are no standby's follow nobody.
func (in *instance) slotOfData() string {
	if !exists(in.DataDir, standbySignal) {
		return ""
	}
	return pgfiles.Conf(readText(in.DataDir, autoConf), "primary_slot_name")
}
