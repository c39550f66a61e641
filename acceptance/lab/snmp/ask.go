package snmp

import (
	"fmt"
	"time"

	"github.com/gosnmp/gosnmp"
)

// What is asked and set of the agent.
const (
	// cacheTable is where Net-SNMP tells how old its tables may be; the row is that
	// of interfaces, by the identifier of IF-MIB's ifTable.
	cacheTable   = ".1.3.6.1.4.1.8072.1.5"
	cacheTimeout = cacheTable + ".3.1.2.1.3.6.1.2.1.2.2"
	// inPackets is SNMPv2-MIB's snmpInPkts.0.
	inPackets = ".1.3.6.1.2.1.11.1.0"
)

// client is one to the agent on its own switch, over which nobody else's packets
// pass.
func (d *Device) client(community string) (*gosnmp.GoSNMP, error) {
	c := &gosnmp.GoSNMP{Target: "127.0.0.1", Port: 161, Version: gosnmp.Version2c, Community: community, Timeout: time.Second, MaxOids: gosnmp.MaxOids}
	return c, d.at.Do(c.Connect)
}

func (d *Device) setRefresh() error {
	c, err := d.client(tune)
	if err != nil {
		return err
	}
	defer c.Conn.Close()
	answer, err := c.Set([]gosnmp.SnmpPDU{{Name: cacheTimeout, Type: gosnmp.Integer, Value: refresh}})
	if err == nil && answer.Error != gosnmp.NoError {
		err = fmt.Errorf("set how old its counters may be: %s", answer.Error)
	}
	return err
}

// packets is how many the agent has got, with those of the lab.
func (d *Device) packets() (uint64, error) {
	c, err := d.client(Community)
	if err != nil {
		return 0, err
	}
	defer c.Conn.Close()
	d.ownAsked++
	answer, err := c.Get([]string{inPackets})
	if err != nil {
		return 0, err
	}
	if len(answer.Variables) != 1 || answer.Error != gosnmp.NoError {
		return 0, fmt.Errorf("no number of packets: %s", answer.Error)
	}
	return gosnmp.ToBigInt(answer.Variables[0].Value).Uint64(), nil
}
