"""What a sweep may say, in files by what the rules are about; `check` asks them all."""
