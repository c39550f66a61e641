// Package bandwidth says how much may be moved when. It is pure: a caller asks
// for the budget at a time and waits itself (style of a pacer whose timer is a
// return value), so that nothing sleeps inside a loop and control messages
// never queue behind throttled data (requirement 18).
package bandwidth
