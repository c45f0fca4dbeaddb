"""The words of the domain as frozen types. Pure: no cloud, no files, no clock."""
