package links

import (
	"github.com/rackswarm/rackswarm/core/api"
)

func link(location string, up, down int64) api.Link {
	return api.Link{Location: location, Up: &up, Down: &down}
}
