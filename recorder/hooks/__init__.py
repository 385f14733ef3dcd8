"""Others are told of what happens. A hook that hangs or fails never touches recording."""
