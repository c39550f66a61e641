package bandwidth

import "testing"

func TestParsePart(t *testing.T) {
	for _, c := range []struct {
		text string
		want Part
	}{{"20%", 0.2}, {" 20 % ", 0.2}, {"0.2", 0.2}, {"0", 0}, {"100%", 1}} {
		if got, err := ParsePart(c.text); err != nil || got != c.want {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "%", "-1%", "101%", "2", "NaN", "20%%", "20 percent"} {
		if got, err := ParsePart(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
