-- The server's clock in milliseconds. Leases are deadlines on this clock, so
-- that the clocks of the nodes do not matter.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function int(n) return string.format('%.0f', n) end

-- Makes a key last for that many milliseconds more, at least.
local function keep(key, millis)
  if redis.call('PTTL', key) < millis then redis.call('PEXPIRE', key, int(millis)) end
end
