package probe

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gosnmp/gosnmp"
)

// session asks a device.
type session interface {
	// get returns the values of the OIDs by OID, those that the device does not have
	// left out, and when the device was asked: the middle of question and answer.
	get(oids []string) (values map[string]any, at time.Time, err error)
	// column returns a column of a table: values by the rest of their OID.
	column(root string) (map[string]any, error)
	close()
}

// snmp is a session over UDP.
type snmp struct {
	client *gosnmp.GoSNMP
	conn   *pacedConn
}

// Bounds of a walk: the packets, and the rows in each.
const (
	maxWalk     = 40
	rowsPerStep = 40
)

// dial prepares a session; nothing is sent yet. The session ends with ctx.
func dial(ctx context.Context, d Device, pace *pacer) (session, error) {
	client := &gosnmp.GoSNMP{
		Target: d.Host, Port: uint16(d.Port), Transport: "udp", Context: ctx, //nolint:gosec // Check has looked at the port
		Timeout: d.Timeout, Retries: 0, Version: gosnmp.Version2c, Community: string(d.Community),
		MaxOids: gosnmp.MaxOids, MaxRepetitions: rowsPerStep,
	}
	if d.Community == "" {
		setUser(client, d.User)
	}
	if err := client.Connect(); err != nil {
		return nil, err
	}
	conn := &pacedConn{Conn: client.Conn, ctx: ctx, pace: pace, timeout: d.Timeout}
	client.Conn = conn
	return &snmp{client: client, conn: conn}, nil
}

func setUser(client *gosnmp.GoSNMP, u User) {
	client.Version = gosnmp.Version3
	client.SecurityModel = gosnmp.UserSecurityModel
	client.MsgFlags = gosnmp.AuthPriv
	client.SecurityParameters = &gosnmp.UsmSecurityParameters{
		UserName:                 u.Name,
		AuthenticationProtocol:   authProtocols[u.Auth],
		AuthenticationPassphrase: string(u.AuthPassword),
		PrivacyProtocol:          privacyProtocols[u.Privacy],
		PrivacyPassphrase:        string(u.PrivacyPassword),
	}
}

func (s *snmp) close() { _ = s.client.Close() }

func (s *snmp) get(oids []string) (map[string]any, time.Time, error) {
	packet, err := s.client.Get(oids)
	if err == nil {
		err = statusOf(packet)
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	at := s.conn.sent.Add(time.Since(s.conn.sent) / 2)
	values := map[string]any{}
	for _, v := range packet.Variables {
		if present(v.Type) {
			values[trimDot(v.Name)] = v.Value
		}
	}
	return values, at, nil
}

func (s *snmp) column(root string) (map[string]any, error) {
	values := map[string]any{}
	at := root
	for range maxWalk {
		packet, err := s.client.GetBulk([]string{at}, 0, rowsPerStep)
		if err == nil {
			err = statusOf(packet)
		}
		if err != nil {
			return nil, err
		}
		before := at
		for _, v := range packet.Variables {
			rest, ok := below(root, trimDot(v.Name))
			if !ok || !present(v.Type) {
				return values, nil // the end of the column
			}
			values[rest] = v.Value
			at = trimDot(v.Name)
		}
		if at == before {
			return values, nil
		}
	}
	return nil, fmt.Errorf("its table of interfaces has more than %d rows: tell the interface by its index", maxWalk*rowsPerStep)
}

// statusOf makes an error of an answer that says that something is wrong.
func statusOf(packet *gosnmp.SnmpPacket) error {
	switch packet.Error {
	case gosnmp.NoError:
		return nil
	case gosnmp.AuthorizationError, gosnmp.NoAccess:
		return errAuthorization
	}
	return fmt.Errorf("the device answers %s", packet.Error)
}

func present(t gosnmp.Asn1BER) bool {
	switch t {
	case gosnmp.NoSuchObject, gosnmp.NoSuchInstance, gosnmp.EndOfMibView, gosnmp.Null:
		return false
	}
	return true
}

var _ net.Conn = (*pacedConn)(nil)
