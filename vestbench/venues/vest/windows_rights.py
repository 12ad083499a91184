"""Files that only one user of Windows may open; elsewhere there is nothing in here.

Rights are texts here, in the language of security descriptors (SDDL), which Windows
makes and reads itself: ConvertSecurityDescriptorToStringSecurityDescriptorW and back.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    import msvcrt
    import os
    from contextlib import ExitStack
    from ctypes import wintypes
    from pathlib import Path
    from typing import Any

    _TOKEN_QUERY, _TOKEN_USER = 0x8, 1
    _REVISION = 1
    _SE_FILE_OBJECT, _OWNER, _DACL = 1, 0x1, 0x4
    _GENERIC_WRITE, _CREATE_NEW = 0x40000000, 1
    _NORMAL, _NOT_THROUGH_LINKS = 0x80, 0x00200000
    _INVALID = wintypes.HANDLE(-1).value

    _advapi = ctypes.WinDLL("advapi32", use_last_error=True)
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.GetCurrentProcess.restype = wintypes.HANDLE
    _kernel.CreateFileW.restype = wintypes.HANDLE
    _kernel.LocalFree.argtypes = [ctypes.c_void_p]
    _kernel.CloseHandle.argtypes = [wintypes.HANDLE]

    class _Attributes(ctypes.Structure):
        """`SECURITY_ATTRIBUTES`."""

        _fields_ = (
            ("size", wintypes.DWORD),
            ("descriptor", ctypes.c_void_p),
            ("inherited", wintypes.BOOL),
        )

    def create_private(path: Path) -> int:
        """Create a file that the user of this process alone may open.

        Returns:
            A descriptor for writing it.

        Raises:
            OSError: It exists, or cannot be created.
        """
        with ExitStack() as freed:
            rights = f"D:P(A;;FA;;;{_own_sid()})"
            attributes = _Attributes(ctypes.sizeof(_Attributes), _made(rights, freed))
            handle = _kernel.CreateFileW(
                ctypes.c_wchar_p(str(path)),
                wintypes.DWORD(_GENERIC_WRITE),
                wintypes.DWORD(0),  # nobody opens it meanwhile
                ctypes.byref(attributes),
                wintypes.DWORD(_CREATE_NEW),
                wintypes.DWORD(_NORMAL | _NOT_THROUGH_LINKS),
                None,
            )
        if handle == _INVALID:
            raise _failure()
        return msvcrt.open_osfhandle(handle, os.O_WRONLY | os.O_NOINHERIT)

    def rights_of(descriptor: int) -> tuple[str, str]:
        """Return the owner and the rights of an open file, and who we are, as SDDL.

        Raises:
            OSError: Windows does not tell.
        """
        with ExitStack() as freed:
            found = ctypes.c_void_p()
            number = _advapi.GetSecurityInfo(
                wintypes.HANDLE(msvcrt.get_osfhandle(descriptor)),
                _SE_FILE_OBJECT,
                wintypes.DWORD(_OWNER | _DACL),
                *[None] * 4,
                ctypes.byref(found),
            )
            if number:
                raise ctypes.WinError(number)
            freed.callback(_kernel.LocalFree, found)
            # Some users have names of two letters there; so has ours, then.
            ours = _text(_made(f"O:{_own_sid()}", freed)).removeprefix("O:")
            return _text(found), ours

    def _own_sid() -> str:
        with ExitStack() as freed:
            token = wintypes.HANDLE()
            process = wintypes.HANDLE(_kernel.GetCurrentProcess())
            wanted = wintypes.DWORD(_TOKEN_QUERY)
            _check(_advapi.OpenProcessToken(process, wanted, ctypes.byref(token)))
            freed.callback(_kernel.CloseHandle, token)
            size = wintypes.DWORD()
            _advapi.GetTokenInformation(token, _TOKEN_USER, None, 0, ctypes.byref(size))
            user = ctypes.create_string_buffer(size.value)
            _check(
                _advapi.GetTokenInformation(
                    token, _TOKEN_USER, user, size, ctypes.byref(size)
                )
            )
            # `TOKEN_USER` begins with the address of the SID.
            sid = ctypes.c_void_p.from_buffer(user)
            text = ctypes.c_wchar_p()
            _check(_advapi.ConvertSidToStringSidW(sid, ctypes.byref(text)))
            freed.callback(_kernel.LocalFree, text)
            return text.value or ""

    def _made(rights: str, freed: ExitStack) -> ctypes.c_void_p:
        """Return a security descriptor, which `freed` frees."""
        found = ctypes.c_void_p()
        convert = _advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW
        _check(convert(ctypes.c_wchar_p(rights), _REVISION, ctypes.byref(found), None))
        freed.callback(_kernel.LocalFree, found)
        return found

    def _text(descriptor: ctypes.c_void_p) -> str:
        text = ctypes.c_wchar_p()
        convert = _advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW
        what = wintypes.DWORD(_OWNER | _DACL)
        _check(convert(descriptor, _REVISION, what, ctypes.byref(text), None))
        try:
            return text.value or ""
        finally:
            _kernel.LocalFree(text)

    def _check(done: Any) -> None:
        if not done:
            raise _failure()

    def _failure() -> OSError:
        return ctypes.WinError(ctypes.get_last_error())
