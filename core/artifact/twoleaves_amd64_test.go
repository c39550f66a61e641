package artifact

import "testing"

// Without the instructions the hashes are the same.
func TestTwoLeavesWithoutInstructions(t *testing.T) {
	if !abreast {
		t.Skip("this processor does not have them: the other tests look at nothing else")
	}
	defer func() { abreast = true }()
	abreast = false
	t.Run("one by one", TestTwoLeavesAreApart)
}
