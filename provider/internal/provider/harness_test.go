package provider

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rackswarm/rackswarm/acceptance/fleet"
	"github.com/rackswarm/rackswarm/core/api"
)

func TestMain(m *testing.M) { fleet.Main(m) }

// start runs a fleet of real agents for an acceptance test, beside those of
// other tests. make testacc sets what they need.
func start(t *testing.T, o fleet.Options) *fleet.Fleet {
	t.Helper()
	acceptance(t)
	return fleet.Start(t, o)
}

func acceptance(t *testing.T) {
	t.Helper()
	if os.Getenv(resource.EnvTfAcc) == "" {
		t.Skip("an acceptance test: make testacc")
	}
	t.Parallel()
}

// apply runs steps against this provider, which runs in this process.
func apply(t *testing.T, check resource.TestCheckFunc, steps ...resource.TestStep) {
	t.Helper()
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: map[string]func() (tfprotov6.ProviderServer, error){
			"rackswarm": providerserver.NewProtocol6WithError(New("test")()),
		},
		CheckDestroy: check,
		Steps:        steps,
	})
}

// local is a provider block for the socket of an agent.
func local(a *fleet.Agent) string {
	return fmt.Sprintf("provider \"rackswarm\" {\n  endpoints = [%q]\n}\n", a.Endpoint())
}

// remote is a provider block for the agents' network addresses, with an
// operator's certificate.
func remote(f *fleet.Fleet, agents ...*fleet.Agent) string { return remoteAs(f, "operator", agents...) }

func remoteAs(f *fleet.Fleet, role string, agents ...*fleet.Agent) string {
	var endpoints []string
	for _, a := range agents {
		endpoints = append(endpoints, fmt.Sprintf("%q", "https://"+a.APIAddr))
	}
	pki := func(name string) string { return filepath.Join(f.PKI, name) }
	return fmt.Sprintf(`
provider "rackswarm" {
  endpoints = [%s]
  tls       = {
    ca_file   = %q
    cert_pem  = file(%q)
    key_pem   = file(%q)
  }
}
`, strings.Join(endpoints, ", "), pki("ca.crt"), pki(role+".crt"), pki(role+".key"))
}

// artifact is a resource block called "a".
func artifact(source, more string) string {
	return fmt.Sprintf("resource \"rackswarm_artifact\" \"a\" {\n  source = %q\n%s\n}\n", source, more)
}

// distribution is a resource block of the artifact "a", called name.
func distribution(name, path, more string) string { return labelled(name, name, path, more) }

// labelled is a distribution that Terraform knows by a label of its own.
func labelled(label, name, path, more string) string {
	return fmt.Sprintf("resource \"rackswarm_distribution\" %q {\n  name = %q\n  artifact_digest = rackswarm_artifact.a.digest\n  path = %q\n%s\n}\n", label, name, path, more)
}

// write makes a file and the directories above it.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

const (
	treeFiles = 16
	fileSize  = 64 << 10
)

// tree makes a directory of treeFiles files of fileSize random bytes, and a
// small one.
func tree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	write(t, filepath.Join(dir, "index.html"), "first")
	for i := range treeFiles {
		write(t, filepath.Join(dir, "data", fmt.Sprint(i)), random())
	}
	return dir
}

func random() string {
	data := make([]byte, fileSize)
	_, _ = rand.Read(data)
	return string(data)
}

// stands returns a check that a file below path on the nodes has the text;
// "" means that nothing is at path.
func stands(f *fleet.Fleet, path, file, want string, nodes ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		for _, a := range f.Agents() {
			if len(nodes) > 0 && !slices.Contains(nodes, a.Name) {
				continue
			}
			if err := fileIs(filepath.Join(a.Path(path), file), want); err != nil {
				return fmt.Errorf("node %s: %w", a.Name, err)
			}
		}
		return nil
	}
}

func fileIs(path, want string) error {
	got, err := os.ReadFile(path)
	switch {
	case want == "" && os.IsNotExist(err):
		return nil
	case err != nil:
		return err
	case string(got) != want:
		return fmt.Errorf("%s holds %.40q, not %.40q", path, got, want)
	}
	return nil
}

// received returns the bytes that nodes fetched from others for what is desired
// now.
func received(t *testing.T, f *fleet.Fleet, name string) map[string]int64 {
	t.Helper()
	sums := map[string]int64{}
	for _, n := range status(t, f, name).Nodes {
		for _, bytes := range n.Received.ByLevel {
			sums[n.Node] += bytes
		}
	}
	return sums
}

func status(t *testing.T, f *fleet.Fleet, name string) api.Status {
	t.Helper()
	st, err := f.Client().Status(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// down waits until the fleet knows that a node is down.
func down(t *testing.T, f *fleet.Fleet, name string) {
	t.Helper()
	fleet.Eventually(t, patience, name+" is down", func() error {
		nodes, err := f.Client().Nodes(t.Context())
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.Name == name && n.Alive {
				return fmt.Errorf("it is alive")
			}
		}
		return nil
	})
}

// patience is how long a test waits for what agents do by themselves.
const patience = time.Minute

// done returns why not all nodes hold what is desired.
func done(st api.Status) error {
	if !st.Summary.Done {
		return fmt.Errorf("nodes are %+v", st.Nodes)
	}
	return nil
}

// exists returns a check that there is something at the path.
func exists(path string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		_, err := os.Stat(path)
		return err
	}
}
