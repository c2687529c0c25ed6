"""What the entry scripts share: the parser of the training flags, and the door at which errors become one sentence."""
