package broom_test

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rackswarm/rackswarm/acceptance/broom"
	"github.com/rackswarm/rackswarm/acceptance/wait"
)

func fill(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	fill(t, dir)
	b, err := broom.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is there: %v", err)
	}
}

// What a killed process had is removed, too. The victim is this test's program.
func TestKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	fill(t, dir)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BROOM_TEST_VICTIM="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed
	if line != "begun\n" {
		t.Fatalf("the victim said %q, %v", line, err)
	}
	err = wait.Until(context.Background(), time.Minute, "the directory is removed", func() error {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return errors.New("it is there")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("BROOM_TEST_VICTIM"); dir != "" {
		if _, err := broom.Start(dir); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("begun\n")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}
