package config

import "strings"

// nearest returns the known key or section that an unknown key was probably
// meant to be: the most similar one, by its whole or by its last part. It is
// false if none is similar.
func nearest(key string) (string, bool) {
	best, least := "", 2+len(key)/3
	for _, s := range settings {
		section, _, _ := strings.Cut(s.key, ".")
		if d := min(distance(key, s.key), 1+distance(last(key), last(s.key))); d < least {
			best, least = s.key, d
		}
		if d := distance(key, section); d < least {
			best, least = section, d
		}
	}
	return best, best != ""
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance is how many letters must be inserted, removed or replaced to make b
// of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// advise splits what an error advises, after "; write ", from what it says. The
// advice is fallback if it has none.
func advise(err error, fallback string) (message, advice string) {
	message, advice, ok := strings.Cut(err.Error(), "; write ")
	if !ok {
		return message, fallback
	}
	return message, "write " + advice
}
