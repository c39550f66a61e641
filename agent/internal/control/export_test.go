package control

// MaxHalfOpen is for tests of the whole server.
const MaxHalfOpen = maxHalfOpen
