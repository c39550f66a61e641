package provider

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
)

// website serves one file to who knows the token, and counts how often it sends
// more than the first byte.
type website struct {
	mu    sync.Mutex
	text  string
	down  bool
	sends int
}

func (w *website) fail(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

func (w *website) set(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = text
}

func (w *website) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if req.Header.Get("Authorization") != "Bearer "+siteToken {
		http.Error(out, "who are you?", http.StatusUnauthorized)
		return
	}
	if w.down {
		http.Error(out, "later", http.StatusServiceUnavailable)
		return
	}
	if req.Method == http.MethodGet && req.Header.Get("Range") != "bytes=0-0" { // which only asks for the version
		w.sends++
	}
	out.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256([]byte(w.text)))))
	http.ServeContent(out, req, "motd", time.Time{}, strings.NewReader(w.text))
}

const siteToken = "token-that-must-not-be-in-the-state"

// An artifact comes from a URL: its headers go nowhere but to the server, an
// unchanged version plans nothing and moves nothing, another one is published in
// place, and what has not the checksum is refused.
func TestAccURL(t *testing.T) {
	f := start(t, fleet.Options{Nodes: fleet.Racks("ams1/r1", 2)})
	site := &website{text: "first"}
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)
	path := filepath.Join(f.Root, "motd")
	const a = "rackswarm_artifact.a"
	config := func(more string) string {
		return local(f.Agents()[0]) + artifact(server.URL+"/files/motd", more) + distribution("motd", path, "")
	}
	headers := fmt.Sprintf("source_headers_wo = { Authorization = \"Bearer %s\" }\n", siteToken)
	sum := func(text string) string {
		return fmt.Sprintf("checksum = \"sha256:%x\"\n", sha256.Sum256([]byte(text)))
	}
	sent := 0
	apply(t, noArtifacts(t, f),
		resource.TestStep{Config: config(""), ExpectError: regexp.MustCompile(`401`)},
		resource.TestStep{Config: config(headers + sum("something else")), ExpectError: regexp.MustCompile(`checksum|sha256`)},
		resource.TestStep{
			Config: config(headers),
			Check: resource.ComposeTestCheckFunc(stands(f, path, "", "first"), noToken,
				resource.TestCheckResourceAttr(a, "name", "motd"), resource.TestCheckResourceAttr(a, "kind", "file")),
		},
		resource.TestStep{
			PreConfig:        func() { sent = site.sends },
			Config:           config(headers),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{
			PreConfig: func() {
				if site.sends != sent {
					t.Errorf("plans have the server send %d times", site.sends-sent)
				}
				site.set("second")
			},
			Config: config(headers),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(a, plancheck.ResourceActionUpdate),
			}},
			Check: resource.ComposeTestCheckFunc(stands(f, path, "", "second"), noToken),
		},
		resource.TestStep{ // what is published outlives its server
			PreConfig:        func() { site.fail(true) },
			Config:           config(headers),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
		},
		resource.TestStep{ // a checksum pins what is there already, whatever the server has
			PreConfig: func() { site.fail(false); site.set("third"); sent = site.sends },
			Config:    config(headers + sum("second")),
			Check:     stands(f, path, "", "second"),
		},
		resource.TestStep{
			Config:           config(headers + sum("second")),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()}},
			Check: func(*terraform.State) error {
				if site.sends != sent {
					return fmt.Errorf("the server sent %d times", site.sends-sent)
				}
				return nil
			},
		},
	)
}

// noToken checks that no attribute holds the header's secret.
func noToken(s *terraform.State) error {
	for name, r := range s.RootModule().Resources {
		for key, value := range r.Primary.Attributes {
			if strings.Contains(value, siteToken) {
				return fmt.Errorf("%s.%s holds the token", name, key)
			}
		}
	}
	return nil
}
